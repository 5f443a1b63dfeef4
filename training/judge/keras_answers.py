"""What the Keras networks say, to hold the quantised artefact's answers against."""

from pathlib import Path

from shared.model.bundle import Bundle
from shared.model.fusion import Prediction
from shared.model.runtimes.tensorflow import TensorFlowRuntime
from training.judge.answers import answer, seen_by
from training.pipeline.prepared import Items


def keras_prediction(bundle: Bundle, items: Items, imported: Path, store_folder: Path) -> Prediction:
    """The same items through TensorFlow, from their pictures on, in single precision.

    Keras computes a handful of pictures a second on a CPU; its features are kept like the others.
    """
    runtime = TensorFlowRuntime(bundle, "f32")
    return answer(bundle, runtime, seen_by(bundle, runtime, "keras", items, imported, store_folder))

"""The Keras networks' answers, to compare the quantised bundle's with."""

from pathlib import Path

from shared.model.bundle import Bundle
from shared.model.runtimes.tensorflow import TensorFlowRuntime
from training.judge.answers import BundleAnswers, answer, seen_by
from training.pipeline.prepared import Items


def keras_prediction(bundle: Bundle, items: Items, imported: Path, store_folder: Path) -> BundleAnswers:
    """Return TensorFlow's answers to the items, computed in single precision from their pictures.

    Keras computes a few pictures a second on a CPU; the feature store keeps its features too.
    """
    runtime = TensorFlowRuntime(bundle, "f32")
    return answer(bundle, runtime, seen_by(bundle, runtime, "keras", items, imported, store_folder))

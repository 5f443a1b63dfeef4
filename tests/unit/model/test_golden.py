import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.model import golden, runtimes
from shared.model.bundle import GOLDEN, IMAGE, TEXT, Bundle
from shared.model.golden import GoldenError
from shared.model.images import Pixels
from shared.model.runtimes import Features
from shared.model.runtimes.openvino import OpenVINORuntime
from shared.model.runtimes.tensorflow import TensorFlowRuntime
from shared.model.weights import load_weights
from shared.settings import ROOT
from tests.conftest import Trained
from training.pipeline.layout import STARTER


def sealed_again(bundle: Bundle) -> Bundle:
    return Bundle.seal(bundle.folder, bundle.taxonomy, **bundle.manifest.model_dump(exclude={"format", "files"}))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The starter with a golden set of its own: a model that is sure of something."""
    folder = Path(shutil.copytree(ROOT / STARTER, tmp_path_factory.mktemp("golden") / "bundle"))
    bundle = Bundle.load(folder)
    golden.write(bundle, runtimes.load(bundle, "openvino"))
    return sealed_again(bundle)


@pytest.fixture
def damaged(asked: Bundle, tmp_path: Path) -> Bundle:
    return Bundle(Path(shutil.copytree(asked.folder, tmp_path / "damaged")), asked.manifest)


def test_every_runtime_gives_the_golden_answers(asked: Bundle) -> None:
    for runtime in (
        OpenVINORuntime(asked),
        OpenVINORuntime(asked, "f32"),
        TensorFlowRuntime(asked, "f32"),
        TensorFlowRuntime(asked, "bf16"),
    ):
        off = golden.verify(asked, runtime)
        assert off is not None
        assert off.keys() == golden.TOLERANCES.keys()


def test_the_golden_set_is_small(asked: Bundle) -> None:
    assert (asked.folder / GOLDEN).stat().st_size < 200_000


def test_a_trained_bundle_has_its_golden_set_under_the_manifest(trained: Trained) -> None:
    assert GOLDEN in trained.bundle.manifest.files
    assert golden.verify(trained.bundle, runtimes.load(trained.bundle, "openvino")) is not None


@pytest.mark.parametrize(("file", "layer"), [(TEXT, "forward/lstm_cell/kernel"), (IMAGE, "hidden/kernel")])
def test_a_network_with_wrong_weights_is_refused_by_name(damaged: Bundle, file: str, layer: str) -> None:
    weights = dict(load_weights(damaged.folder / file))
    weights[layer] = weights[layer][::-1]
    np.savez(damaged.folder / file, **weights)  # type: ignore[arg-type]  # its stub takes a keyword for allow_pickle
    with pytest.raises(GoldenError, match=rf"on openvino int8 does not give .* off are {Path(file).stem} by 0\."):
        golden.verify(damaged, OpenVINORuntime(damaged))


def test_exchanged_colours_of_pictures_are_noticed(asked: Bundle) -> None:
    class BGR(OpenVINORuntime):
        def features(self, pixels: Pixels) -> Features:
            return super().features(np.ascontiguousarray(pixels[..., ::-1]))

    with pytest.raises(GoldenError, match="image by"):
        golden.verify(asked, BGR(asked))


def test_an_answer_that_is_not_a_number_is_refused(damaged: Bundle) -> None:
    weights = dict(load_weights(damaged.folder / IMAGE))
    weights["hidden/kernel"] = np.full_like(weights["hidden/kernel"], np.nan)
    np.savez(damaged.folder / IMAGE, **weights)  # type: ignore[arg-type]
    with pytest.raises(GoldenError, match="image by nan"):
        golden.verify(damaged, OpenVINORuntime(damaged))


def test_a_bundle_without_a_golden_set_is_not_checked(damaged: Bundle) -> None:
    (damaged.folder / GOLDEN).unlink()
    before = sealed_again(damaged)
    assert golden.verify(before, OpenVINORuntime(before)) is None

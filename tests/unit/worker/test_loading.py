"""A bundle is verified by its golden answers before it serves."""

import threading
from pathlib import Path

import numpy as np
import pytest

from shared.model import golden, runtimes
from shared.model.bundle import GOLDEN, Bundle
from shared.model.golden import GoldenError
from shared.settings import ROOT, Settings
from tests.bundles import another
from training.pipeline.layout import STARTER
from worker.serving.loading import make_ready

SETTINGS = Settings(runtime="openvino")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The starter with golden answers of its own."""
    bundle = another(Bundle.load(ROOT / STARTER), tmp_path_factory.mktemp("sound") / "bundle")
    golden.write(bundle, runtimes.load(bundle, "openvino"))
    return another(bundle, tmp_path_factory.mktemp("sealed") / "bundle")


def test_make_ready_beside_another_engine_takes_its_measurements_over(sound: Bundle) -> None:
    first, reason = make_ready(sound, SETTINGS)
    second, _ = make_ready(sound, SETTINGS, beside=first)
    assert reason
    assert (second.micro_batch, second.pictures_per_s) == (first.micro_batch, first.pictures_per_s)
    first.close()
    second.close()


def test_make_ready_refuses_wrong_golden_answers_and_leaves_no_thread(sound: Bundle, tmp_path: Path) -> None:
    wrong = another(sound, tmp_path / "bundle")
    with np.load(wrong.folder / GOLDEN) as arrays:
        said = dict(arrays)
    said["text"] = said["text"][::-1]
    np.savez(wrong.folder / GOLDEN, **said)
    wrong = another(wrong, tmp_path / "sealed")
    engines = sum(thread.name == "engine" for thread in threading.enumerate())
    with pytest.raises(GoldenError, match="text"):
        make_ready(wrong, SETTINGS)
    assert sum(thread.name == "engine" for thread in threading.enumerate()) == engines

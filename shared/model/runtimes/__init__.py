"""The bundle's networks, on what the machine has: TensorFlow or OpenVINO behind one small interface."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.model.bundle import Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels

Features = npt.NDArray[np.float32]


class Backbone(Protocol):
    """VGG16's convolutions and pooling."""

    def features(self, pixels: Pixels) -> Features:
        """(n, size, size, 3) RGB 0 to 255 to (n, features)."""
        ...


class Runtime(Backbone, Protocol):
    """All three networks; every method may be called by one thread at a time."""

    name: str
    """The runtime and the precision it computes in, for people: `openvino bf16`."""

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        """(n, words, subwords) ids to (n, classes)."""
        ...

    def image(self, features: Features) -> Probabilities:
        """(n, features) to (n, classes)."""
        ...


def load(bundle: Bundle, runtime: str = "auto") -> Runtime:
    """`auto` takes TensorFlow where it sees a GPU, and OpenVINO, with VGG16 in int8, otherwise.

    Raises:
        ValueError: an unknown name.
        ImportError: the runtime's library is not installed.
    """
    if runtime == "auto":
        runtime = "tensorflow" if _has_gpu() else "openvino"
    if runtime not in LOADERS:
        raise ValueError(f"runtime {runtime!r} is none of auto, {', '.join(LOADERS)}")
    return LOADERS[runtime](bundle)


def _openvino(bundle: Bundle) -> Runtime:
    from shared.model.runtimes.openvino import OpenVINORuntime

    return OpenVINORuntime(bundle)


def _tensorflow(bundle: Bundle) -> Runtime:
    from shared.model.runtimes.tensorflow import TensorFlowRuntime

    return TensorFlowRuntime(bundle)


LOADERS: dict[str, Callable[[Bundle], Runtime]] = {"openvino": _openvino, "tensorflow": _tensorflow}
"""By name; further ones may be put in."""


def _has_gpu() -> bool:
    """Whether there is an NVIDIA device, asked of the driver's files: importing TensorFlow to ask costs seconds."""
    return Path("/dev/nvidia0").exists()

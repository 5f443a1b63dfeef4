"""The bundle's networks on the machine's runtime: OpenVINO, TensorFlow or JAX behind one small interface."""

import importlib.util
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.model.bundle import INT8, Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.runtimes import cpu

Features = npt.NDArray[np.float32]


class Backbone(Protocol):
    """VGG16's convolutions and pooling."""

    def features(self, pixels: Pixels) -> Features:
        """(n, size, size, 3) RGB 0 to 255 to (n, features)."""
        ...


class Runtime(Backbone, Protocol):
    """All three networks; only one thread at a time may call a method."""

    name: str
    """The runtime with its precision, human-readable: `openvino bf16`."""

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        """(n, words, subwords) ids to (n, classes)."""
        ...

    def image(self, features: Features) -> Probabilities:
        """(n, features) to (n, classes)."""
        ...


def load(bundle: Bundle, runtime: str = "auto") -> Runtime:
    """Load the bundle on this runtime; raises the errors of `choose`."""
    return choose(bundle, runtime)[0]


def choose(bundle: Bundle, runtime: str = "auto") -> tuple[Runtime, str]:
    """Load the bundle on this runtime; also returns a human-readable reason for the choice.

    `auto` takes the fastest that the machine has and whose evaluation passed: a GPU by TensorFlow or JAX, whichever
    sees it; else OpenVINO, in int8 where that was found to be as good. Where a CPU has no instructions for int8,
    a convolution in each says what is faster.

    Raises:
        ValueError: an unknown name.
        ImportError: the runtime's library is not installed.
    """
    if runtime == "auto":
        return _on_gpu(bundle) or _on_cpu(bundle)
    if runtime not in LOADERS:
        raise ValueError(f"runtime {runtime!r} is not one of auto, {', '.join(LOADERS)}")
    return LOADERS[runtime](bundle), "CATALOG_RUNTIME asks for it"


def image_seconds(runtime: Runtime, pixels: Pixels) -> float:
    """Return the image branch's seconds for (n, size, size, 3): the better of two runs after a first one."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        runtime.image(runtime.features(pixels))
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def _on_gpu(bundle: Bundle) -> tuple[Runtime, str] | None:
    # Asked of the driver's files first: importing TensorFlow to ask costs seconds.
    if not Path("/dev/nvidiactl").exists():
        return None
    # JAX first: TensorFlow's import settles Keras on its own backend, whether it sees a GPU or not.
    for name in ("jax", "tensorflow"):
        try:
            module = import_module(f"shared.model.runtimes.{name}")
        except ImportError:
            continue
        if module.has_gpu():
            return LOADERS[name](bundle), f"{name} sees a GPU"
    return None


def _on_cpu(bundle: Bundle) -> tuple[Runtime, str]:
    """Raises `ImportError` where no runtime is installed."""
    if importlib.util.find_spec("openvino") is None:
        return LOADERS["tensorflow"](bundle), "no GPU, and OpenVINO is not installed"
    if not bundle.passed(INT8):
        return LOADERS["openvino-float"](bundle), "no GPU, and int8 did not pass this bundle's evaluation"
    if instructions := _int8_instructions():
        return LOADERS["openvino"](bundle), f"no GPU; int8 passed its evaluation, and the CPU has {instructions} for it"
    from shared.model.runtimes.openvino import convolution_seconds

    seconds = convolution_seconds()
    name = "openvino" if min(seconds, key=seconds.__getitem__) == INT8 else "openvino-float"
    measured = ", ".join(f"{1000 * taken:.1f} ms in {precision}" for precision, taken in seconds.items())
    return LOADERS[name](bundle), f"no GPU, and no instructions for int8; a convolution takes {measured} on one core"


def _int8_instructions() -> str | None:
    """Return this CPU's instruction sets for int8 products; `None` if there are none, or they are unknown."""
    known = cpu.instructions()
    return next((name for name in _INT8_INSTRUCTIONS if name in known), None)


def _openvino(bundle: Bundle) -> Runtime:
    from shared.model.runtimes.openvino import OpenVINORuntime

    return OpenVINORuntime(bundle)


def _openvino_float(bundle: Bundle) -> Runtime:
    from shared.model.runtimes.openvino import OpenVINORuntime, precision

    return OpenVINORuntime(bundle, precision())


def _tensorflow(bundle: Bundle) -> Runtime:
    from shared.model.runtimes.tensorflow import TensorFlowRuntime

    return TensorFlowRuntime(bundle)


def _jax(bundle: Bundle) -> Runtime:
    from shared.model.runtimes.jax import JAXRuntime

    return JAXRuntime(bundle)


LOADERS: dict[str, Callable[[Bundle], Runtime]] = {
    "openvino": _openvino,
    "openvino-float": _openvino_float,
    "tensorflow": _tensorflow,
    "jax": _jax,
}
"""Runtimes by name; others can be added."""

_INT8_INSTRUCTIONS = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp")

__all__ = [
    "Backbone",
    "Features",
    "Runtime",
    "choose",
    "image_seconds",
    "load",
    "openvino",
    "tensorflow",
]

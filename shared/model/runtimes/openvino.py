"""OpenVINO on the CPU: VGG16 in int8 or in floating point, the heads in bf16 if the CPU supports it, else in f32."""

import time
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import openvino

from shared.model.bundle import BACKBONE, IMAGE, TEXT, Bundle, sha256
from shared.model.convolutions import read_convolutions
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.runtimes import Features, cpu
from shared.model.runtimes.openvino_networks import (
    PROBE_MAPS,
    backbone_graph,
    image_graph,
    probe_graph,
    text_graph,
)
from shared.model.weights import load_weights

Precision = Literal["int8", "bf16", "f32"]

_PROBES = 5
"""Runs of each type, the first of which only prepares."""

_backbones: WeakValueDictionary[tuple[str, str, int, Precision], Any] = WeakValueDictionary()
"""Backbones in use, by content of their files, input size and precision."""


class OpenVINOBackbone:
    """VGG16 at any input size: one compiled network that uses all cores for each batch.

    All of a process with the same weights, size and precision share it: bundles of one catalogue nearly always have the
    same. Each has a request of its own, so that each may be used by another thread; they compute in turns.

    Streams of a core each, filled by a queue of requests, were tried: as many pictures per second, 5 % more beside a
    process that needs a third of a core. For that a picture alone would take twice as long.
    """

    def __init__(self, path: Path, size: int, precision: Precision = "int8") -> None:
        self.network = _backbone(path, size, precision)
        self._request = self.network.create_infer_request()

    def features(self, pixels: Pixels) -> Features:
        return _run(self._request, pixels)


class OpenVINORuntime(OpenVINOBackbone):
    def __init__(self, bundle: Bundle, precision: Precision = "int8") -> None:
        super().__init__(bundle.folder / BACKBONE, bundle.manifest.image_size, precision)
        floating = _beside(precision)
        text = text_graph(load_weights(bundle.folder / TEXT), bf16=floating == "bf16")
        image = image_graph(load_weights(bundle.folder / IMAGE))
        self._text = _compile(text, floating).create_infer_request()
        self._image = _compile(image, floating).create_infer_request()
        self.name = f"openvino {precision}"

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        return _run(self._text, tokens)

    def image(self, features: Features) -> Probabilities:
        return _run(self._image, features)


def precision() -> Precision:
    """Return the fastest floating-point type of this CPU."""
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"


def convolution_seconds() -> dict[Precision, float]:
    """Return the seconds of one convolution in int8, and in the fastest floating-point type.

    VGG16 consists of such convolutions, so this shows which type is faster, at a sixth of the cost of loading and
    running VGG16 in both. It counts the CPU time of this thread, the only one that computes, because a worker often
    starts while other processes are busy.
    """
    maps = np.random.default_rng(0).random(PROBE_MAPS, np.float32)
    types: tuple[Precision, ...] = ("int8", precision())
    networks = {name: _compile(probe_graph(name == "int8"), _beside(name), threads=1) for name in types}
    requests = {name: network.create_infer_request() for name, network in networks.items()}
    seconds: dict[Precision, list[float]] = {name: [] for name in types}
    for _ in range(_PROBES):
        for name, request in requests.items():
            start = time.thread_time()
            _run(request, maps)
            seconds[name].append(time.thread_time() - start)
    return {name: min(measured[1:]) for name, measured in seconds.items()}


def _beside(wanted: Precision) -> Precision:
    """Return the type to compute in without int8 weights."""
    return precision() if wanted == "int8" else wanted


def _backbone(path: Path, size: int, precision: Precision) -> Any:
    key = (sha256(path), sha256(path.with_suffix(".bin")), size, precision)
    network = _backbones.get(key)
    if network is None:
        graph = openvino.Core().read_model(path) if precision == "int8" else backbone_graph(read_convolutions(path))
        graph.reshape([-1, size, size, 3])
        network = _backbones[key] = _compile(graph, _beside(precision))
    return network


def _compile(network: Any, floating: str, threads: int | None = None) -> Any:
    """Compile for so many threads; `None`: one for each core that this process may use."""
    # With pinning, two processes on one machine would share the same cores.
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": floating, "ENABLE_CPU_PINNING": False}
    if (threads := threads or cpu.limit()) is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    return openvino.Core().compile_model(network, "CPU", options)


def _run(request: Any, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(
        request.infer(batch, share_inputs=True)[0], np.float32
    )  # a copy that later calls do not overwrite

"""OpenVINO on the CPU: VGG16 in int8, the rest in bf16 where the CPU computes in it, else fp32."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from shared.model.bundle import BACKBONE, IMAGE, TEXT, Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.runtimes import Features
from shared.model.runtimes.openvino_networks import image_graph, text_graph
from shared.model.weights import load_weights


class OpenVINOBackbone:
    def __init__(self, path: Path) -> None:
        self._backbone = _compile(str(path))

    def features(self, pixels: Pixels) -> Features:
        return _run(self._backbone, pixels)


class OpenVINORuntime(OpenVINOBackbone):
    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle.folder / BACKBONE)
        self._text = _compile(text_graph(load_weights(bundle.folder / TEXT)))
        self._image = _compile(image_graph(load_weights(bundle.folder / IMAGE)))
        self.name = f"openvino int8, heads {precision()}"

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        return _run(self._text, tokens)

    def image(self, features: Features) -> Probabilities:
        return _run(self._image, features)


def precision() -> str:
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"


def _compile(network: Any) -> Any:
    # Without pinning off, two processes on one machine land on the same core.
    options = {"INFERENCE_PRECISION_HINT": precision(), "ENABLE_CPU_PINNING": False}
    return openvino.Core().compile_model(network, "CPU", options)


def _run(network: Any, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.array(network(batch)[0], np.float32)  # a copy: OpenVINO writes the next answer over this one

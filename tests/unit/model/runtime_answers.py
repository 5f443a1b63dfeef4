"""What runtimes answer in a process of its own.

`python -m tests.unit.model.runtime_answers BUNDLE INPUTS ANSWERS jax:f32 …`.
A process has one Keras backend, and that of the tests is TensorFlow; and it has all instructions of its CPU.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from shared.model.bundle import Bundle
from shared.model.runtimes import Runtime


def main(bundle: Bundle, inputs: Path, target: Path, wanted: list[str]) -> None:
    """Arrays under `jax:f32/text`, `…/features` and `…/image`, of the inputs `tokens`, `pixels` and `features`."""
    answers = {}
    with np.load(inputs) as arrays:
        for name in wanted:
            runtime = load(bundle, *name.split(":"))
            answers[f"{name}/text"] = runtime.text(arrays["tokens"])
            answers[f"{name}/features"] = runtime.features(arrays["pixels"])
            answers[f"{name}/image"] = runtime.image(arrays["features"])
    np.savez(target, **answers)  # type: ignore[arg-type]  # its stub takes a keyword for allow_pickle


def load(bundle: Bundle, name: str, precision: Any) -> Runtime:
    """Imports no other: TensorFlow's brings Keras on its own backend."""
    if name == "jax":
        from shared.model.runtimes.jax import JAXRuntime

        return JAXRuntime(bundle, precision)
    if name == "tensorflow":
        from shared.model.runtimes.tensorflow import TensorFlowRuntime

        return TensorFlowRuntime(bundle, precision)
    from shared.model.runtimes.openvino import OpenVINORuntime

    return OpenVINORuntime(bundle, precision)


if __name__ == "__main__":
    main(Bundle.load(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])

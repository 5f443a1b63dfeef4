"""How much of a GPU's arithmetic the image branch uses: pictures per second, beside a large matrix product.

All contenders take turns in one process, on JAX or TensorFlow, whichever sees the GPU. Without one,

    .venv/bin/python -m benchmarks.gpu --device cpu --short

shows the same in small.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from itertools import islice

import numpy as np

from benchmarks import pictures
from benchmarks.harness import Options, Result, Table, alternate, medians
from shared.model.bundle import Bundle
from shared.model.images import Pixels, decode
from shared.model.runtimes.keras_runtime import KerasRuntime
from stack.services import bundle_folder

TITLE = "Image branch on a GPU"
TARGET = "recorded, with the share of the chip's peak"
NO_GPU = "not measured: neither JAX nor TensorFlow finds a GPU on this machine"

PEAK, DECODING, TOGETHER = "matrix product", "decoding alone", "decoding and computing"

_VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions of 3×3 and their channels, block by block; a block ends with half the width and height."""


@dataclass(frozen=True)
class Scale:
    """How much is computed."""

    pictures: int
    batches: tuple[int, ...]
    matrix: int
    """Rows and columns of the product whose speed stands for the chip's peak."""
    rounds: int


SCALES = {
    ("gpu", False): Scale(2048, (1, 8, 32, 64, 256), 8192, 5),
    ("gpu", True): Scale(512, (8, 64, 256), 8192, 3),
    ("cpu", False): Scale(64, (1, 8, 16), 2048, 5),
    ("cpu", True): Scale(16, (8,), 2048, 3),
}


def main() -> None:
    asked = _parse()
    bundle = Bundle.load(bundle_folder())
    runtime = _runtime(bundle, asked.device, asked.runtime)
    result = _not_measured() if runtime is None else _measure(runtime, bundle.manifest.image_size, asked)
    result.save(asked.output)
    print(result.outcome)


def flop_per_picture(size: int) -> int:
    """Operations of VGG16's convolutions over size × size pixels; a multiplication and its addition count as two."""
    total, channels = 0, 3
    for convolutions, width in _VGG16:
        for _ in range(convolutions):
            total += 2 * 3 * 3 * channels * width * size * size
            channels = width
        size //= 2
    return total


def _parse() -> argparse.Namespace:
    parser = Options("gpu", __doc__)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--runtime", choices=("jax", "tensorflow"), help="by default the first that sees the GPU")
    pictures.add_options(parser)
    asked = parser.chosen()
    if asked.device == "cpu":  # then hide the GPU
        os.environ.update(CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu")
    return asked


def _runtime(bundle: Bundle, device: str, name: str | None) -> KerasRuntime | None:
    """`None` if a GPU is required and none is found.

    JAX is asked first: TensorFlow's import brings Keras on its own backend.
    """
    classes = {"jax": "JAXRuntime", "tensorflow": "TensorFlowRuntime"}
    candidates = [name] if name else list(classes) if device == "gpu" else ["tensorflow"]
    for candidate in candidates:
        try:
            module = import_module(f"shared.model.runtimes.{candidate}")
        except ModuleNotFoundError:  # not installed
            continue
        if device == "cpu" or module.has_gpu():
            runtime: KerasRuntime = getattr(module, classes[candidate])(bundle)
            return runtime
    return None


def _not_measured() -> Result:
    return Result("gpu", TITLE, TARGET, NO_GPU, None, [], command="python -m benchmarks.gpu")


def _measure(runtime: KerasRuntime, size: int, asked: argparse.Namespace) -> Result:
    scale = SCALES[asked.device, asked.short]
    sample = pictures.load(asked, scale.pictures)
    with ThreadPoolExecutor() as threads:
        branch = Branch(runtime, [product.picture for product in sample.products], size, threads)
        peak = MatrixProduct(scale.matrix, runtime.precision, branch.flop)
        contenders: dict[str, Callable[[], None]] = {PEAK: peak.run, DECODING: branch.decode}
        contenders |= {_by(batch): branch.computing(batch) for batch in scale.batches}
        contenders[TOGETHER] = branch.decoding_and_computing(scale.batches[-1])
        rates = alternate(contenders, scale.pictures, scale.rounds)
    speeds = {name: rate * branch.flop / scale.pictures for name, rate in medians(rates).items() if name != DECODING}
    speeds[PEAK] *= peak.flop / branch.flop
    return Result(
        "gpu",
        TITLE,
        TARGET,
        _outcome(runtime, _device(runtime), medians(rates), speeds, scale),
        True if asked.device == "gpu" else None,
        [_table(rates, speeds)],
        [
            sample.description,
            f"{flop_per_picture(size) / 1e9:.1f} GFLOP per picture of {size}×{size}, VGG16's convolutions alone",
            f"peak: products of {scale.matrix}×{scale.matrix} matrices, with as much arithmetic as the pictures need; "
            "a CPU packs such matrices again for each product, so a convolution can be faster",
        ],
        command=f"python -m benchmarks.gpu --device {asked.device}{' --short' * asked.short}",
    )


class MatrixProduct:
    """A large product on the backend and in the precision of the runtime, again and again for about `flop`."""

    def __init__(self, size: int, precision: str, flop: int) -> None:
        import keras  # on the runtime's backend, which has been chosen by now

        self._ops = keras.ops
        dtype = {"bf16": "bfloat16", "f32": "float32"}[precision]
        # Of this deviation, so that products of products stay as large.
        self._matrix = keras.random.normal((size, size), stddev=size**-0.5, dtype=dtype)
        self._times = max(round(flop / (2 * size**3)), 1)
        self.flop = self._times * 2 * size**3

    def run(self) -> None:
        product = self._matrix
        for _ in range(self._times):
            product = self._ops.matmul(self._matrix, product)
        float(product[0, 0])  # waits for all of them


class Branch:
    """Pictures through the image branch, from their bytes or from their pixels on."""

    def __init__(self, runtime: KerasRuntime, data: Sequence[bytes], size: int, threads: ThreadPoolExecutor) -> None:
        self._runtime, self._data, self._size, self._threads = runtime, data, size, threads
        self._pixels = np.stack(list(self._decoded()))
        self.flop = flop_per_picture(size) * len(data)

    def decode(self) -> None:
        for _ in self._decoded():
            pass

    def computing(self, batch: int) -> Callable[[], None]:
        """From prepared arrays in the computer's memory to probabilities in it."""
        starts = range(0, len(self._pixels), batch)
        return lambda: self._compute(self._pixels[start : start + batch] for start in starts)

    def decoding_and_computing(self, batch: int) -> Callable[[], None]:
        """Threads decode while the device computes."""
        return lambda: self._compute(np.stack(pictures) for pictures in _chunks(self._decoded(), batch))

    def _decoded(self) -> Iterator[Pixels]:
        return self._threads.map(lambda data: decode(data, self._size), self._data)

    def _compute(self, batches: Iterable[Pixels]) -> None:
        for batch in batches:
            self._runtime.image(self._runtime.features(batch))


def _chunks(items: Iterator[Pixels], size: int) -> Iterator[list[Pixels]]:
    while chunk := list(islice(items, size)):
        yield chunk


def _by(batch: int) -> str:
    return f"computing, batches of {batch}"


def _device(runtime: KerasRuntime) -> str:
    """Name of the device as the backend gives it: `NVIDIA H100 80GB HBM3`."""
    if runtime.backend == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0])["device_name"]) if gpus else "cpu"


def _outcome(
    runtime: KerasRuntime, device: str, rates: Mapping[str, float], speeds: Mapping[str, float], scale: Scale
) -> str:
    best = max((_by(batch) for batch in scale.batches), key=rates.__getitem__)
    return (
        f"{runtime.name} on {device}: {rates[best]:.1f} pictures/s without decoding, {rates[TOGETHER]:.1f} with it; "
        f"{speeds[best] / 1e12:.2f} of {speeds[PEAK] / 1e12:.2f} TFLOP/s, {speeds[best] / speeds[PEAK]:.0%} of the peak"
    )


def _table(rates: Mapping[str, Sequence[float]], speeds: Mapping[str, float]) -> Table:
    middle = medians(rates)
    rows = [
        (
            name,
            " / ".join(f"{rate:.1f}" for rate in values) if name != PEAK else "",
            round(middle[name], 1) if name != PEAK else "",
            round(speeds[name] / 1e12, 3) if name in speeds else "",
            f"{speeds[name] / speeds[PEAK]:.0%}" if name in speeds else "",
        )
        for name, values in rates.items()
    ]
    return Table(("", "rounds, pictures/s", "median, pictures/s", "TFLOP/s", "share of the peak"), rows)


if __name__ == "__main__":
    main()

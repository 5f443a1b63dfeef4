"""VGG16 at each input size and precision: networks, features, and pictures per second."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import openvino

from benchmarks.harness import alternate, medians
from shared.model.bundle import BACKBONE, Bundle
from shared.model.convolutions import Convolution
from shared.model.images import Pixels, decode
from shared.model.runtimes.openvino import OpenVINOBackbone, Precision
from shared.model.runtimes.openvino_networks import backbone_graph
from training.catalogue.pictures import iter_pictures
from training.pipeline.layout import STARTER
from training.vgg16.features import FeatureStore, compute_missing
from training.vgg16.weights import load_vgg16

SIZES = (128, 160, 192, 224)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_BATCHES = (1, 2, 4, 8)
_THREADS = 2
"""Threads that decode, as in the service."""


def served_sizes() -> list[int]:
    """The size that the starter takes, and VGG16's own."""
    return sorted({Bundle.load(STARTER).manifest.image_size, SIZES[-1]})


@dataclass(frozen=True)
class Point:
    precision: Precision
    size: int
    """Pixels a side of the input."""

    def __str__(self) -> str:
        return f"{self.precision} {self.size}"


@dataclass(frozen=True)
class Speed:
    """Pictures per second, at the best batch size for each."""

    computing: float
    batch: int
    with_decoding: float


class Backbones:
    """int8 from the starter; floating point from the weights that were quantised."""

    def __init__(self, weights: str, folder: Path) -> None:
        """`weights` as in params.yaml: a file with the original ones, or `starter` for its dequantised int8 weights."""
        self._int8 = STARTER / BACKBONE
        self._float = folder / BACKBONE
        arrays = load_vgg16(weights, SIZES[-1])[0].get_layer("vgg16").get_weights()
        convolutions = [Convolution(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True)]
        folder.mkdir(parents=True, exist_ok=True)
        openvino.save_model(backbone_graph(convolutions), self._float, compress_to_fp16=False)

    def open(self, point: Point) -> OpenVINOBackbone:
        path = self._int8 if point.precision == "int8" else self._float
        return OpenVINOBackbone(path, point.size, point.precision)


def features(backbones: Backbones, point: Point, pictures: Path, wanted: set[str], home: Path) -> FeatureStore:
    """The point's features of these pictures (by sha256), kept in `home`.

    Args:
        pictures: pictures.parquet.
    """
    store = FeatureStore(home / f"{point.precision}-{point.size}")
    if any(sha256 not in store for sha256 in wanted):  # otherwise the backbone need not be compiled
        compute_missing(store, backbones.open(point), iter_pictures(pictures), wanted, point.size)
    return store


def measure(
    backbones: Backbones, points: Sequence[Point], pictures: Sequence[bytes], rounds: int
) -> dict[Point, Speed]:
    """All points and batch sizes take turns over the same pictures."""
    contenders: dict[str, Callable[[], None]] = {}
    for point in points:
        contenders |= _contenders(point, backbones.open(point), pictures)
    middle = medians(alternate(contenders, len(pictures), rounds))
    return {point: _best(point, middle) for point in points}


def _contenders(point: Point, backbone: OpenVINOBackbone, pictures: Sequence[bytes]) -> dict[str, Callable[[], None]]:
    pixels = np.stack([decode(data, point.size) for data in pictures])
    pool = ThreadPoolExecutor(_THREADS)

    def prepared(batch: int) -> None:
        for part in _parts(pixels, batch):
            backbone.features(part)

    def encoded(batch: int) -> None:
        decoded = [pool.submit(decode, data, point.size) for data in pictures]
        for start in range(0, len(decoded), batch):
            backbone.features(np.stack([future.result() for future in decoded[start : start + batch]]))

    found: dict[str, Callable[[], None]] = {_name(point, batch): partial(prepared, batch) for batch in _BATCHES}
    return found | {_name(point, _BATCHES[-1], decoding=True): partial(encoded, _BATCHES[-1])}


def _best(point: Point, middle: Mapping[str, float]) -> Speed:
    batch = max(_BATCHES, key=lambda batch: middle[_name(point, batch)])
    with_decoding = middle[_name(point, _BATCHES[-1], decoding=True)]
    return Speed(middle[_name(point, batch)], batch, with_decoding)


def _name(point: Point, batch: int, *, decoding: bool = False) -> str:
    return f"{point}, batches of {batch}" + (", with decoding" if decoding else "")


def _parts(pixels: Pixels, batch: int) -> Iterator[Pixels]:
    return (pixels[start : start + batch] for start in range(0, len(pixels), batch))

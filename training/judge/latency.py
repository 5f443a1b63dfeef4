"""The latency of several models, measured in turns so that other load on the machine affects all of them alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.model.bundle import Bundle
from shared.model.runtimes import Runtime

_TEXTS, _PICTURES = 64, 4
_ROUNDS = 7


@dataclass(frozen=True)
class Latency:
    """Milliseconds per item in the fastest of several rounds: other load only ever makes a round slower."""

    text: float
    image: float


def measure(models: Sequence[tuple[Bundle, Runtime]], words: Sequence[Sequence[str]]) -> list[Latency]:
    """Return each model's latency over the same texts and pictures, its own encoding and picture size included."""
    texts = [words[row % len(words)] for row in range(_TEXTS)] if words else [[]] * _TEXTS
    text = _in_turns([_text_work(bundle, runtime, texts) for bundle, runtime in models])
    image = _in_turns([_image_work(bundle, runtime) for bundle, runtime in models])
    return [
        Latency(text=1000 * text_s / _TEXTS, image=1000 * image_s / _PICTURES)
        for text_s, image_s in zip(text, image, strict=True)
    ]


def _text_work(bundle: Bundle, runtime: Runtime, texts: Sequence[Sequence[str]]) -> Callable[[], object]:
    encoder = bundle.text_encoder()
    return lambda: runtime.text(encoder.encode(texts))


def _image_work(bundle: Bundle, runtime: Runtime) -> Callable[[], object]:
    size = bundle.manifest.image_size
    pixels = np.random.default_rng(1).integers(0, 256, (_PICTURES, size, size, 3), np.uint8)
    return lambda: runtime.image(runtime.features(pixels))


def _in_turns(works: Sequence[Callable[[], object]]) -> list[float]:
    """Return the seconds of each; the first round warms up and does not count."""
    seconds: list[list[float]] = [[] for _ in works]
    for number in range(_ROUNDS + 1):
        for durations, work in zip(seconds, works, strict=True):
            start = time.perf_counter()
            work()
            if number:
                durations.append(time.perf_counter() - start)
    return [min(durations) for durations in seconds]

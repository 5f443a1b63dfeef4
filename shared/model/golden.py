"""The golden set: inputs with the answers that a bundle gave where it was made, to check that it answers so here.

The inputs are made up: a bundle holds no product's text and no product's picture.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.model.bundle import GOLDEN, VOCABULARY, Bundle, BundleError
from shared.model.fusion import Probabilities, fuse
from shared.model.images import Pixels
from shared.model.runtimes import Runtime
from shared.model.text import PADDING, pad

TEXTS, PICTURES = 24, 12
"""Half of the fused answers use both branches, the other half the text alone."""

TOLERANCES = {"text": 0.02, "image": 0.1, "fused": 0.1}
"""The largest difference of a probability, which int8, bf16 and single precision stay within on any runtime.

The fused answers follow from the other two, on every machine in the same way. How much of the image branch's difference
is left in them depends on the bundle's fusion, so they may be off by as much: the starter's are, by 0.04 in f32.
"""

_SEED = 7
_GRID = 8  # coloured spots per side of a picture, blurred into each other


class GoldenError(BundleError):
    """A bundle does not answer as it did when it was made; the message says which branch, and by how much."""


@dataclass(frozen=True)
class _Answers:
    text: Probabilities
    image: Probabilities
    fused: Probabilities


def write(bundle: Bundle, runtime: Runtime) -> None:
    """Write the golden set beside the bundle's files; the bundle must be sealed again afterwards.

    Answers are rounded to float16, so that differences in the last bits of arithmetic do not make another bundle.
    """
    random = np.random.default_rng(_SEED)
    size = len(np.load(bundle.folder / VOCABULARY))
    tokens = _texts(random, size, bundle.manifest.max_words, bundle.manifest.max_subwords)
    spots = random.integers(0, 256, (PICTURES, _GRID, _GRID, 3), np.uint8)
    answers = _ask(bundle, runtime, tokens, spots)
    halves = {name: getattr(answers, name).astype(np.float16) for name in TOLERANCES}
    np.savez(bundle.folder / GOLDEN, tokens=tokens, spots=spots, **halves)


def verify(bundle: Bundle, runtime: Runtime) -> dict[str, float] | None:
    """Return the largest difference of the answers by branch; `None` for a bundle from before golden sets existed.

    Raises:
        GoldenError: An answer differs by more than its tolerance, or is not a number.
    """
    if GOLDEN not in bundle.manifest.files:
        return None
    with np.load(bundle.folder / GOLDEN) as arrays:
        answers = _ask(bundle, runtime, arrays["tokens"], arrays["spots"])
        off = {name: float(np.abs(getattr(answers, name) - arrays[name]).max()) for name in TOLERANCES}
    # NaN is not within any tolerance.
    wrong = [
        f"{name} by {off[name]:.3f} (at most {limit})" for name, limit in TOLERANCES.items() if not off[name] <= limit
    ]
    if wrong:
        raise GoldenError(
            f"bundle {bundle.id} on {runtime.name} does not give its golden answers: off are {', '.join(wrong)}. "
            "Do not serve it here; fetch or train it again, or choose another runtime."
        )
    return off


def _ask(bundle: Bundle, runtime: Runtime, tokens: npt.NDArray[np.int32], spots: Pixels) -> _Answers:
    text, image = runtime.text(tokens), np.full((len(tokens), len(bundle.manifest.labels)), np.nan, np.float32)
    shown = _pictures(spots, bundle.manifest.image_size)
    # One at a time: what serves meanwhile waits for one, and none keeps memory for a batch that no work ever has.
    pictures = runtime.image(np.concatenate([runtime.features(picture[np.newaxis]) for picture in shown]))
    image[: len(pictures)] = pictures
    lengths = (tokens != PADDING).any(axis=2).sum(axis=1)
    return _Answers(text, pictures, fuse(bundle.manifest.fusion, text, image, lengths).fused)


def _texts(random: np.random.Generator, vocabulary: int, words: int, subwords: int) -> npt.NDArray[np.int32]:
    """Texts of any length, of words with any number of subwords; frequent ones, which have the low ids, more often."""
    texts = []
    for length in random.integers(1, words + 1, TEXTS):
        ids = 1 + (vocabulary * random.random((length, subwords)) ** 2).astype(np.int32)
        known = random.integers(1, subwords + 1, (length, 1))
        texts.append(np.where(np.arange(subwords) < known, ids, PADDING).astype(np.int32))
    return pad(texts)


def _pictures(spots: Pixels, size: int) -> Pixels:
    resized = [Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC) for picture in spots]
    return np.stack([np.asarray(picture, np.uint8) for picture in resized])

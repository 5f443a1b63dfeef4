"""Which items are variants of one product, or near copies of one another, told by keys of eight bytes.

Items with the same key have texts that differ in numbers, sizes, units and colours alone, and in the order of words.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from shared.words import words

_ENOUGH, _LONG = 2, 3
"""This many words of this many letters must be left of a text: else "Lot de 3" would be like "Lot de 5" of anything."""
_SIZES = frozenset(
    words(
        "xs xl xxl xxxl xxxxl mm cm dm km mg kg gr ml cl dl mo go to ko mb gb tb kb kw wh kwh mah ah hz khz mhz ghz "
        "dpi px inch inches zoll pouce pouces cv ch kva lm ma pcs taille tailles size sizes grosse groesse pointure"
    )
)
_COLOURS = frozenset(
    words(
        # French
        "noir noire noirs noires blanc blanche blancs blanches rouge rouges bleu bleue bleus bleues vert verte verts "
        "vertes jaune jaunes rose roses gris grise grises violet violette violets violettes orange oranges marron "
        "marrons beige beiges argent argenté argentée doré dorée dorés dorées turquoise bordeaux kaki marine "
        "multicolore multicolores couleur couleurs écru taupe ivoire mauve "
        # English
        "black white red blue green yellow pink grey gray purple brown silver gold golden navy khaki multicolor "
        "multicolour color colour colors colours "
        # German
        "schwarz schwarze schwarzer schwarzes weiß weiße weißer weißes rot rote roter rotes blau blaue blauer blaues "
        "grün grüne grüner grünes gelb gelbe gelber gelbes rosa grau graue grauer graues lila braun braune brauner "
        "braunes silber farbe bunt"
    )
)
_VARYING = _SIZES | _COLOURS


def text_key(title: str | None, description: str | None = None) -> int:
    """Return what variants of a text have in common; 0 for a text without a word.

    A text of which too little is left is only like one with the same words.
    """
    found = words(title, description)
    left = {word for word in found if len(word) > 1 and word not in _VARYING and not word.isdecimal()}
    if sum(len(word) >= _LONG for word in left) >= _ENOUGH:
        return _hashed(*sorted(left))
    return _hashed("", *found) if found else 0


def picture_key(sha256: str | None, url: str | None) -> int:
    """Return what items with the same picture have in common; 0 without a picture.

    Args:
        sha256: The picture's hash, in hex.
        url: Where it is, if its bytes are not kept.
    """
    if sha256 is not None:
        return int(sha256[:16], 16) or 1
    return 0 if url is None else _hashed(url)


def same_picture_key(picture: int, code: str) -> int:
    """Return what items without a text have in common that have the same picture and the same answer."""
    return _hashed(f"{picture:x}", code)


class Looks:
    """Finds pictures that look alike: their looks, of 64 bits, differ in few.

    Looks that differ in so few bits share one of their bands whole, so few need be compared. What makes a look of a
    picture is `worker/classify/look.py`.
    """

    FARTHEST = 6
    """Bits in which pictures that are alike differ at most."""

    def __init__(self, looks: Iterable[int]) -> None:
        """Args: looks: Those to be found; 0 is that of a picture that tells nothing."""
        self._bands = [(shift, mask, defaultdict[int, list[int]](list)) for shift, mask in _BANDS]
        self._known = dict[int, Sequence[int]]()
        for look in set(looks) - {0}:
            for shift, mask, band in self._bands:
                if len(bucket := band[look >> shift & mask]) < _BUCKET:
                    bucket.append(look)
        self._empty = not any(band for _, _, band in self._bands)

    def like(self, look: int) -> Sequence[int]:
        """Return those that this one is like."""
        if not look or self._empty:
            return ()
        if (known := self._known.get(look)) is None:
            near = {
                one
                for shift, mask, band in self._bands
                for one in band.get(look >> shift & mask, ())
                if (one ^ look).bit_count() <= self.FARTHEST
            }
            known = self._known[look] = tuple(sorted(near)) if near else ()
        return known


_BANDS = (*[(9 * number, 0x1FF) for number in range(6)], (54, 0x3FF))
"""One more than bits may differ: where each begins, and its mask."""
_BUCKET = 16
"""How many of the looks that share a band are compared: requests must not take long, whatever pictures are sent."""


def _hashed(*parts: str) -> int:
    return (
        int.from_bytes(hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=8).digest(), "big") or 1
    )

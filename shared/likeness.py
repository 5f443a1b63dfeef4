"""Which items are variants of one product, or near copies of one another, told by keys of eight bytes.

Items with the same key have texts that differ in numbers, sizes, units and colours alone, and in the order of words.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

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

    Looks that differ in six bits differ in at most one bit of one of their quarters. So few need be compared. What
    makes a look of a picture is `worker/classify/look.py`.
    """

    FARTHEST = 6
    """Bits in which pictures that are alike differ at most."""

    def __init__(self, looks: Iterable[int]) -> None:
        """Args: looks: Those to be found; 0 is that of a picture that tells nothing."""
        self._quarters = [defaultdict[int, list[int]](list) for _ in range(4)]
        for look in set(looks) - {0}:
            for number, quarter in enumerate(self._quarters):
                part = look >> 16 * number & _QUARTER
                for probe in _PROBES:
                    if len(bucket := quarter[part ^ probe]) < _BUCKET:
                        bucket.append(look)

    def among(self, looks: Collection[int]) -> dict[int, Sequence[int]]:
        """Return which of these are like any of those to be found, and like which."""
        one, two, three, four = quarters = self._quarters
        if not one:
            return {}
        # There may be a hundred thousand, so most of them must be done with in a fraction of a microsecond.
        candidates = [
            look
            for look in looks
            if look & _QUARTER in one
            or look >> 16 & _QUARTER in two
            or look >> 32 & _QUARTER in three
            or look >> 48 in four
        ]
        found = dict[int, Sequence[int]]()
        for look in candidates:
            parts = (quarter.get(look >> 16 * number & _QUARTER, ()) for number, quarter in enumerate(quarters))
            near = {each for part in parts for each in part if (each ^ look).bit_count() <= self.FARTHEST}
            if near and look:
                found[look] = sorted(near)
        return found

    def like(self, look: int) -> Sequence[int]:
        """Return those that this one is like."""
        return self.among([look]).get(look, ())


_QUARTER = 0xFFFF
_PROBES = (0, *[1 << bit for bit in range(16)])
"""What a quarter may differ in."""
_BUCKET = 16
"""How many of the looks that share a quarter are compared: requests must not take long, whatever pictures are sent."""


def _hashed(*parts: str) -> int:
    return (
        int.from_bytes(hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=8).digest(), "big") or 1
    )

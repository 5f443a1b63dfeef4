"""How a picture must be turned: by the orientation in its Exif data, as browsers read it.

Pillow also turns by XMP, by the texts that ImageMagick writes into a PNG, and by numbers of other types than Exif's.
No browser does, so with them the model would see a picture that nobody else sees.
"""

import struct

_TAG, _SHORT = 0x0112, 3
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_PREFIX = b"Exif\0\0"


def orientation(exif: bytes) -> int:
    """Return the orientation in Exif data, 1 to 8; 1, which is upright, where none can be read."""
    data = exif.removeprefix(_PREFIX)
    if (order := _BYTE_ORDERS.get(data[:4])) is None:
        return 1
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, place)
        for number in range(entries):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", data, place + 2 + 12 * number)
            if tag == _TAG:
                return value if (kind, count) == (_SHORT, 1) and 1 <= value <= 8 else 1
    except struct.error:  # the data ends too early
        return 1
    return 1


def exif_of(turned: int) -> bytes:
    """Return Exif data, without its prefix, that hold this orientation alone."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, _TAG, _SHORT, 1, turned, 0, 0)

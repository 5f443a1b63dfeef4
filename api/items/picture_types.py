"""The media type of a picture that is handed out as it was sent.

It is told by the first bytes, so that nothing is decoded. Only types that no browser runs anything from are named:
anything else, such as SVG, is bytes to be saved.
"""

import re

_OTHER = "application/octet-stream"
_SIGNATURES = (
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"RIFF.{4}WEBP", "image/webp"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "image/bmp"),
    (rb"II\*\0|MM\0\*", "image/tiff"),
    (rb".{4}ftypavi[fs]", "image/avif"),
)
"""The first bytes of each, as https://mimesniff.spec.whatwg.org and the formats' own documents have them."""
_START = 64


def media_type_of(data: bytes) -> str:
    """Return the picture's media type by its first bytes."""
    start = data[:_START]
    return next((kind for signature, kind in _SIGNATURES if re.match(signature, start, re.DOTALL)), _OTHER)

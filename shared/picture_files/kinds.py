"""What bytes that are no picture seem to be, for the message about them.

Libraries for this know hundreds of kinds by the same first bytes; these are the ones that come instead of a picture.
"""

import re

_SIGNATURES = (
    (rb"%PDF-", "a PDF document"),
    (rb"PK\x03\x04", "a zip archive, or a document in one"),
    (rb"\x1f\x8b", "a gzip file"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "a BMP picture"),
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "a TIFF picture, or a camera's raw file"),
    (rb"\0\0\x01\0[\x01-\xff]\0", "an icon (ICO)"),
    (rb".{4}ftyp(?:avif|avis)", "an AVIF picture"),
    (rb".{4}ftyp(?:hei[cx]|hev[cx]|heim|heis|hevm|hevs)", "a HEIC picture, as iPhones take them"),
    (rb".{4}ftyp(?:mif1|msf1).{0,40}avif", "an AVIF picture"),
    (rb".{4}ftyp(?:mif1|msf1)", "a HEIC picture, as iPhones take them"),
    (rb".{4}ftyp", "a film (MP4)"),
    (rb"\x1a\x45\xdf\xa3", "a film (WebM)"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (rb"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (rb"8BPS", "a Photoshop file"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "an EPS file"),
    (rb"RIFF.{4}AVI ", "a film (AVI)"),
    (rb"\x7fELF|MZ", "a program"),
)
_TEXTS = (
    (r"<(?:!doctype\s+html|html|head|body)\b", "a web page (HTML)"),
    (r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype svg[^>]*>\s*)?<svg\b", "an SVG drawing"),
    (r"<\?xml\b|<[A-Za-z]", "an XML document"),
    (r"[{\[]", "JSON text"),
    (r"data:", "a data URL; send its content alone"),
    (r"https?://", "a URL; send it as the picture's `url`"),
)
_START = 600
"""Bytes that are looked at."""


def kind_of(data: bytes) -> str:
    """Say what the bytes are, as far as their beginning tells."""
    if not data:
        return "an empty file"
    if not data.strip(b"\0"):
        return f"a file of {len(data):,} zero bytes"
    start = data[:_START]
    for signature, kind in _SIGNATURES:
        if re.match(signature, start, re.DOTALL):
            return kind
    text = start.decode("utf-8-sig", "replace").lstrip()
    for beginning, kind in _TEXTS:
        if re.match(beginning, text, re.DOTALL | re.IGNORECASE):
            return kind
    is_text = "\N{REPLACEMENT CHARACTER}" not in text and all(map(_is_of_text, text))
    return "text" if is_text else f"a file of {len(data):,} bytes of no known kind"


def _is_of_text(character: str) -> bool:
    return character.isprintable() or character.isspace()

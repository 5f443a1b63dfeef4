"""Pictures as the service takes them: bytes in base64, or a URL that a worker fetches."""

import base64
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog_client._errors import InputError

PICTURE_URL = re.compile("https?://", re.IGNORECASE)

Picture = bytes | os.PathLike[str] | str | Mapping[str, Any]
"""The picture's bytes; a path; a URL or the name of a file in `pictures`; or an object as the service takes it."""


def as_image(picture: Any, pictures: Path | None) -> dict[str, Any]:
    """Return the picture as an item's `image`.

    Args:
        picture: A `Picture`.
        pictures: The folder in which names of files are looked up.

    Raises:
        InputError: the picture cannot be read, or is something else.
    """
    if isinstance(picture, Mapping):
        return {"base64": _from_folder(picture["file"], pictures)} if "file" in picture else dict(picture)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(picture).decode()}
    if isinstance(picture, os.PathLike):
        return {"base64": encode_file(Path(picture))}
    if not isinstance(picture, str):
        raise InputError(f"a picture is bytes, a path or a URL, and no {type(picture).__name__}")
    if PICTURE_URL.match(picture):
        return {"url": picture}
    return {"base64": picture if picture.startswith("data:") else _from_folder(picture, pictures)}


def path_in(folder: Path, name: Any) -> Path:
    """Return the path of the file `name` in the folder, however its accents are written.

    Raises:
        InputError: the name leads out of the folder.
    """
    inside = os.path.normpath(str(name))
    if Path(inside).is_absolute() or Path(inside).parts[:1] == (os.pardir,):
        raise InputError(f"the picture {name!r} lies outside {folder}")
    # A Mac writes the names of files with accents apart from their letters.
    spellings = (inside, unicodedata.normalize("NFC", inside), unicodedata.normalize("NFD", inside))
    return next((folder / each for each in spellings if (folder / each).is_file()), folder / inside)


def encode_file(path: Path) -> str:
    """Return the file's bytes in base64; raises `InputError` where it cannot be read."""
    try:
        return base64.b64encode(path.read_bytes()).decode()
    except (OSError, ValueError) as error:
        raise InputError(f"picture {path}: {getattr(error, 'strerror', None) or error}") from error


def _from_folder(name: Any, pictures: Path | None) -> str:
    if pictures is None:
        raise InputError(f"the picture {name!r} is named: say in which folder it lies with `pictures`")
    return encode_file(path_in(pictures, name))


def inline(image: Picture | None, pictures: str | Path | None) -> str | None:
    """Return the picture in base64, the only form that `/predict` takes."""
    if image is None:
        return None
    member = as_image(image, None if pictures is None else Path(pictures))
    if "base64" not in member:
        raise InputError("predict takes a picture as bytes or from a file, and fetches no URL: use submit")
    return str(member["base64"])

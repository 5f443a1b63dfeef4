"""Pictures as the service takes them: bytes in base64, or a URL that a worker fetches."""

import base64
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog_client._errors import InputError
from catalog_client.tables import picture_of

_DRIVE = re.compile(r"(?:file:/*)?[A-Za-z]:(?=[/\\])|file:(?=/)", re.IGNORECASE)
_LONGEST_PATH = 4096

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
    if "url" in (found := picture_of(picture)):
        return found
    return {"base64": _from_folder(picture, pictures)}


def path_in(folder: Path, name: Any) -> Path:
    """Return the path of the file `name` in the folder, however its accents are written.

    The whole path counts first, then as much of its end as is there: paths of Windows and of other machines lose their
    folders.

    Raises:
        InputError: the name leads out of the folder, and no file with it is in there.
    """
    text = str(name)
    if len(text) > _LONGEST_PATH:
        raise InputError(f"the picture {text[:100]!r}… has a name of over {_LONGEST_PATH:,} characters")
    parts, outside = _inside(text)
    ends = [parts[start:] for start in range(len(parts))]
    for end in ([text] if os.sep not in text and text not in ("", ".", "..") else [], *ends):
        # A Mac writes the names of files with accents apart from their letters.
        for spelling in (lambda part: part, _composed, _decomposed):
            path = folder.joinpath(*map(spelling, end))
            if end and os.path.isfile(path):  # noqa: PTH113  # Path's method raises for a name that is too long
                return path
    if outside:
        raise InputError(f"the picture {text!r} lies outside {folder}, where no file has its name")
    return folder.joinpath(*parts)


def _inside(name: str) -> tuple[list[str], bool]:
    """Return the components of a path of any system, and whether it begins at a root or leads out of its folder."""
    path = _DRIVE.sub("", name.strip(" "), count=1)
    outside, parts = path != name.strip(" ") or path[:1] in ("/", "\\"), list[str]()
    for component in re.split(r"[/\\]", path):
        if component == "..":
            outside = outside or not parts
            del parts[-1:]
        elif component not in ("", "."):
            parts.append(component)
    return parts, outside


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


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

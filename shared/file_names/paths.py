"""Paths as any operating system writes them."""

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote

_DRIVE = re.compile(r"(?:file:/*)?[A-Za-z]:(?=[/\\])|file:(?=/)", re.IGNORECASE)
_JUNK_FOLDERS = {"__macosx", "$recycle.bin", "system volume information", "@eadir"}
_JUNK_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}


class FilePath(NamedTuple):
    """A path of any operating system: its components, and whether it begins at a root or drive."""

    parts: tuple[str, ...]
    absolute: bool

    @classmethod
    def of(cls, name: str) -> "FilePath":
        """Split a name: `pics\\a.jpg`, `C:\\pics\\a.jpg`, `./pics/a.jpg` and letters composed or not (NFC, NFD)."""
        text = unicodedata.normalize("NFC", name.strip(" "))
        without_drive = _DRIVE.sub("", text, count=1) if _DRIVE.match(text) else text
        components = re.split(r"[/\\]", without_drive)
        parts = list[str]()
        for component in components:
            if component == "..":
                del parts[-1:]
            elif component not in ("", "."):
                parts.append(component)
        absolute = without_drive != text or without_drive[:1] in ("/", "\\")
        return cls(tuple(parts), absolute)

    def __str__(self) -> str:
        return "/".join(self.parts)

    @property
    def folded(self) -> tuple[str, ...]:
        """The components without regard to upper and lower case."""
        return tuple(part.casefold() for part in self.parts)

    @property
    def is_junk(self) -> bool:
        """Whether it is a file that a system keeps in its folders, and nobody has sent on purpose."""
        *folders, name = self.folded or ("",)
        return name in _JUNK_FILES or name.startswith(".") or not _JUNK_FOLDERS.isdisjoint(folders)


def decoded(name: str) -> str:
    """Return a name without percent-encoding (`my%20lamp.jpg`); the name itself if that gives no text."""
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name

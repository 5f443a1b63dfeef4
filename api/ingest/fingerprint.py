"""What identifies the content of a request, however it is packed."""

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from api.ingest.intake import RawItem
from api.ingest.pictures import Picture, PictureRefused

KIND = "content:"
"""What these fingerprints begin with; others come from a release that hashed the bytes."""
_PIECE = 64 * 1024


class Fingerprint:
    """A hash over what was listed, in its order, and over options and pictures by name.

    A client that repeats a request may pack it again: with another boundary, other times in a zip, its parts or members
    in another order. None of that makes it another request.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._complete = False

    async def over(self, items: AsyncGenerator[RawItem, None]) -> AsyncGenerator[RawItem, None]:
        """Pass the items on, and take each in."""
        async with aclosing(items):
            async for item in items:
                self._add(item.fields)
                if item.own is not None:
                    self._add(item.own)
                yield item
        self._complete = True

    def of(self, options: Mapping[str, Any], pictures: Mapping[str, Picture]) -> str:
        """The fingerprint of the whole request; raises `RuntimeError` before the items have ended."""
        if not self._complete:
            raise RuntimeError("the body has not been read to its end")
        whole = Fingerprint()
        whole._add(self._digest.hexdigest())
        whole._add({name: value for name, value in options.items() if value != ""})  # which counts as left out
        for name in sorted(pictures):
            picture = pictures[name]
            whole._add([name, picture.detail if isinstance(picture, PictureRefused) else picture])
        return KIND + whole._digest.hexdigest()

    def _add(self, value: Any) -> None:
        """Take a JSON value in; a long text, such as a picture, piece by piece, so that it is not in memory twice."""
        if isinstance(value, dict):
            self._digest.update(b"{%d " % len(value))
            for name in sorted(value):
                self._add(name)
                self._add(value[name])
        elif isinstance(value, list):
            self._digest.update(b"[%d " % len(value))
            for member in value:
                self._add(member)
        elif isinstance(value, str):
            self._digest.update(b'"%d ' % len(value))
            for start in range(0, len(value), _PIECE):
                self._digest.update(value[start : start + _PIECE].encode("utf-8", "surrogatepass"))
        else:
            self._digest.update(json.dumps(value).encode() + b" ")

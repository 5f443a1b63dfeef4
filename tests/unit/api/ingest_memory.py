"""Prints by how many bytes this process grew at most while it took a large body; started as one of its own."""

import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from shared.settings import Settings
from tests.unit.api.bodies import BOUNDARY, CSV, JSON, NDJSON, counting, request

_ITEMS, _PICTURES, _PICTURE_BYTES = 100_000, 3_000, 100_000
_MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def _lines() -> Iterator[bytes]:
    for index in range(_ITEMS):
        yield f'{{"id": "sku-{index}", "title": "Piscine gonflable ronde {index}"}}'.encode()


def _json() -> Iterator[bytes]:
    yield b'{"items": ['
    for index, line in enumerate(_lines()):
        yield b"," * bool(index) + line
    yield b"]}"


def _csv() -> Iterator[bytes]:
    yield b"id,title\n"
    for index in range(_ITEMS):
        yield f'sku-{index},"Piscine gonflable, ronde {index}"\n'.encode()


def _gzip() -> Iterator[bytes]:
    packing = zlib.compressobj(wbits=31)
    yield from map(packing.compress, _json())
    yield packing.flush()


def _part(name: str, filename: str) -> bytes:
    told = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"\r\n--{BOUNDARY}\r\n{told}\r\n\r\n".encode()


def _table() -> Iterator[bytes]:
    yield _part("items", "items.csv").lstrip()
    yield from _csv()


def _parts() -> Iterator[bytes]:
    yield from _table()
    for index in range(_PICTURES):
        yield _part("images", f"{index}.jpg")
        yield os.urandom(_PICTURE_BYTES)
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def _zip(path: Path) -> Iterator[bytes]:
    yield from _table()
    yield _part("images", "all.zip")
    with path.open("rb") as file:
        while piece := file.read(65536):
            yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def _packed(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(_PICTURES):
            archive.writestr(f"pictures/{index}.jpg", os.urandom(_PICTURE_BYTES))
    return path


def _resident(which: str) -> int:
    """`VmRSS`, or `VmHWM` for its highest value so far."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def main(form: str, folder: Path) -> None:
    pieces, content_type = {
        "json": (_json, JSON),
        "gzip": (_gzip, JSON),
        "ndjson": (lambda: (line + b"\n" for line in _lines()), NDJSON),
        "csv": (_csv, CSV),
        "parts": (_parts, _MULTIPART),
        "zip": (lambda: _zip(folder / "all.zip"), _MULTIPART),
    }[form]
    headers = {"content-encoding": "gzip"} if form == "gzip" else {}
    if form == "zip":
        _packed(folder / "all.zip")
    settings = Settings()
    counting(request([b"id,title\n1,a\n"], CSV), settings)  # whatever is loaded late
    Path("/proc/self/clear_refs").write_text("5")  # the highest value is the present one
    before = _resident("VmRSS")
    counted = counting(request(pieces(), content_type, headers=headers), settings)
    assert counted == (_ITEMS, _PICTURES if content_type == _MULTIPART else 0)
    sys.stdout.write(str(_resident("VmHWM") - before))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

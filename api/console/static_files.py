"""Scripts, styles and icons, which browsers may keep for ever: their path changes with their content."""

import hashlib
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"


def _content() -> str:
    hashed = hashlib.sha256()
    for file in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return hashed.hexdigest()[:12]


_PATH = f"/console/static/{_content()}"


def path_of(name: str) -> str:
    """Return the path of a file below the root of the API."""
    return f"{_PATH}/{name}"


def install(app: FastAPI) -> None:
    app.mount(_PATH, _Kept(directory=FOLDER))


class _Kept(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

"""A hash of the project's code, so that nothing is kept and used again that other code has computed."""

import hashlib
from functools import cache

from shared.settings import ROOT


@cache
def code_hash(*paths: str) -> str:
    """Return the hash of the Python files at or below `paths`, which are relative to the project's root."""
    files = {file for path in paths for file in (ROOT / path, *(ROOT / path).rglob("*.py")) if file.is_file()}
    hashed = hashlib.sha256()
    for file in sorted(files):
        hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return hashed.hexdigest()

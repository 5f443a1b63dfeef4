"""A hash of our own code: what other code has computed is no answer of this one's."""

import hashlib
from functools import cache

from shared.settings import ROOT


@cache
def code_hash(*paths: str) -> str:
    """Of the Python files at or below `paths`, which are relative to the project's root."""
    files = {file for path in paths for file in (ROOT / path, *(ROOT / path).rglob("*.py")) if file.is_file()}
    hashed = hashlib.sha256()
    for file in sorted(files):
        hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return hashed.hexdigest()

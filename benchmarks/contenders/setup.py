"""Make the contenders' environment in .run/contenders, exactly as requirements.txt pins it. Run it as

.venv/bin/python -m benchmarks.contenders.setup
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from shared.settings import ROOT

ENVIRONMENT = ROOT / ".run/contenders"
_FOLDER = Path(__file__).parent
_LOCK = _FOLDER / "requirements.txt"
_READY = ENVIRONMENT / "requirements.txt"
"""A copy of what was installed last."""


def ready() -> bool:
    """Whether the environment is there and holds what is pinned now."""
    return _READY.is_file() and _READY.read_bytes() == _LOCK.read_bytes()


def lock() -> None:
    """Resolve requirements.in again."""
    source = str(_FOLDER.relative_to(ROOT) / "requirements.in")
    pinned = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--quiet", "--upgrade")
    _uv("pip", "compile", source, *pinned, "--output-file", str(_LOCK))


def install() -> None:
    python = str(ENVIRONMENT / "bin/python")
    if not Path(python).exists():
        _uv("venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT))
    # Compiled bytecode, as in our own environment: every server imports TensorFlow.
    _uv("pip", "sync", "--quiet", "--python", python, "--require-hashes", "--compile-bytecode", str(_LOCK))
    _READY.write_bytes(_LOCK.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contenders.setup", description=__doc__)
    parser.add_argument("--lock", action="store_true", help="resolve requirements.in into requirements.txt first")
    if parser.parse_args().lock:
        lock()
    install()
    print(f"ready: {ENVIRONMENT.relative_to(ROOT)}")


def _uv(*arguments: str) -> None:
    """Raises `CalledProcessError`; uv has said why."""
    environment = {**os.environ, "UV_SYSTEM_CERTS": "true"}
    subprocess.run(
        [sys.executable, "-m", "uv", *arguments], check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    main()

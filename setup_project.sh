#!/usr/bin/env bash
# Makes the project's environment in .venv, exactly as requirements.lock pins it. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")"

# Trust what the machine trusts: a company's proxy signs with a certificate of its own.
export UV_SYSTEM_CERTS=true

fail() { echo "setup_project.sh: $*" >&2; exit 1; }

find_python() {
  for candidate in "${PYTHON:-}" python3.11 python3; do
    if [ -z "$candidate" ] || ! command -v "$candidate" >/dev/null; then continue; fi
    "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && { echo "$candidate"; return; }
  done
  fail "Python 3.11 is needed (Debian: apt-get install python3.11; or set PYTHON)"
}

if [ ! -x .venv/bin/python ]; then
  python=$(find_python)
  echo "Making .venv with $("$python" --version)"
  # Debian's own Python lacks ensurepip unless python3-venv is there; a pip outside then installs into .venv.
  "$python" -m venv .venv 2>/dev/null || "$python" -m venv --clear --without-pip .venv
fi

if command -v uv >/dev/null; then
  uv=uv
else
  uv=.venv/bin/uv
  if [ ! -x "$uv" ]; then
    echo "Installing uv into .venv"
    version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements.lock)
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
      .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$version"
    else
      python3 -m pip --python .venv/bin/python install --quiet --disable-pip-version-check "uv==$version" ||
        fail "neither venv nor pip is complete here (Debian: apt-get install python3-venv)"
    fi
  fi
fi

echo "Installing what requirements.lock pins"
# Compiled bytecode: TensorFlow's import would take 11 s instead of 4 in every process.
# A quiet sync, so that a log holds what matters; errors are printed all the same.
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
"$uv" pip install --quiet --python .venv/bin/python --no-deps --build-constraints requirements.lock --editable . --editable ./client
.venv/bin/python -m training.plots
echo "Ready: .venv/bin/catalog --help"

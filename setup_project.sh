#!/usr/bin/env bash
# Create the project's environment in .venv with exactly the packages that requirements.lock pins. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")"

# Use the machine's certificates: a company's proxy may sign with its own.
export UV_SYSTEM_CERTS=true

fail() { echo "setup_project.sh: $*" >&2; exit 1; }

# The versions that pyproject.toml's requires-python allows: 3.$oldest to 3.$newest.
bounds=$(sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"$/\1 \2/p' pyproject.toml)
oldest=${bounds% *} newest=$((${bounds#* } - 1))

supported() {
  command -v "$1" >/dev/null &&
    "$1" -c "import sys; sys.exit(not (3, $oldest) <= sys.version_info[:2] <= (3, $newest))" 2>/dev/null
}

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    supported "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.$oldest to 3.$newest"
    echo "$PYTHON"
    return
  fi
  for candidate in $(seq -f 'python3.%g' "$oldest" "$newest") python3; do
    if supported "$candidate"; then echo "$candidate"; return; fi
  done
  fail "Python 3.$oldest to 3.$newest is needed (Debian: apt-get install python3; or set PYTHON)"
}

if [ ! -x .venv/bin/python ]; then
  python=$(find_python)
  echo "Creating .venv with $("$python" --version)"
  # Debian's Python lacks ensurepip unless python3-venv is installed; then a pip outside .venv installs into it.
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
        fail "neither venv nor pip is complete on this machine (Debian: apt-get install python3-venv)"
    fi
  fi
fi

echo "Installing the packages of requirements.lock"
# With compiled bytecode, importing TensorFlow takes 4 s in every process instead of 11.
# Quiet, so that a log stays short; errors are printed nevertheless.
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
"$uv" pip install --quiet --python .venv/bin/python --no-deps --build-constraints requirements.lock \
  --editable . --editable ./client
.venv/bin/python -m training.pipeline.plots_page
echo "Ready: .venv/bin/catalog --help"

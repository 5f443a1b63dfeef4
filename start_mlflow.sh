#!/usr/bin/env bash
# MLflow's server on port 5001, over a SQLite store and a folder that survive restarts.
set -euo pipefail
cd "$(dirname "$0")"
store="${MLFLOW_STORE:-$PWD/mlflow-store}"
mkdir -p "$store/artifacts"
export MLFLOW_DISABLE_TELEMETRY="${MLFLOW_DISABLE_TELEMETRY:-true}"
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec "$python" -m mlflow server \
  --host "${MLFLOW_HOST:-127.0.0.1}" --port "${MLFLOW_PORT:-5001}" --workers 1 \
  --backend-store-uri "sqlite:///$store/mlflow.db" \
  --artifacts-destination "$store/artifacts"

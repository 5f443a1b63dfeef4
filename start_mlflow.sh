#!/usr/bin/env bash
# MLflow's server on port 5001, by default over a SQLite store and a folder that survive restarts.
set -euo pipefail
cd "$(dirname "$0")"
store="${MLFLOW_STORE:-$PWD/mlflow-store}"
mkdir -p "$store/artifacts"
export MLFLOW_DISABLE_TELEMETRY="${MLFLOW_DISABLE_TELEMETRY:-true}"
# Its jobs judge language models' answers; nothing here asks for that, and eight more processes would wait for it.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION="${MLFLOW_SERVER_ENABLE_JOB_EXECUTION:-false}"
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec "$python" -m mlflow server \
  --host "${MLFLOW_HOST:-127.0.0.1}" --port "${MLFLOW_PORT:-5001}" --workers "${MLFLOW_WORKERS:-1}" \
  --backend-store-uri "${MLFLOW_BACKEND_STORE_URI:-sqlite:///$store/mlflow.db}" \
  --artifacts-destination "${MLFLOW_ARTIFACTS_DESTINATION:-$store/artifacts}"

#!/usr/bin/env bash
# Starts MLflow's server on port 5001; by default its store is a SQLite file and a folder, which survive restarts.
# MLFLOW_ACCOUNTS names the folder of its accounts' passwords (`python -m stack.provision mlflow`); without it the server
# asks for no account.
set -euo pipefail
cd "$(dirname "$0")"
store="${MLFLOW_STORE:-$PWD/mlflow-store}"
mkdir -p "$store/artifacts"
export MLFLOW_DISABLE_TELEMETRY="${MLFLOW_DISABLE_TELEMETRY:-true}"
# MLflow's own jobs evaluate language models. Nothing here uses them, and they would keep eight more processes waiting.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION="${MLFLOW_SERVER_ENABLE_JOB_EXECUTION:-false}"
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
backend="${MLFLOW_BACKEND_STORE_URI:-sqlite:///$store/mlflow.db}"
# A checkout may have been moved with its store.
[ -d shared/registry ] && "$python" -m shared.registry.moved_store "$store"
app=()
if [ -n "${MLFLOW_ACCOUNTS:-}" ]; then
  # Signs the form for new accounts, which need not outlive the server.
  MLFLOW_FLASK_SERVER_SECRET_KEY=$("$python" -c 'import secrets; print(secrets.token_hex(32))')
  export MLFLOW_FLASK_SERVER_SECRET_KEY
  "$python" deploy/containers/mlflow_accounts.py "$MLFLOW_ACCOUNTS" "$backend" "$store/accounts.ini"
  export MLFLOW_AUTH_CONFIG_PATH="$store/accounts.ini"
  app=(--app-name basic-auth)
fi
# Without the parameter, MLflow 3 shows its menus for language models.
echo "MLflow: http://${MLFLOW_HOST:-127.0.0.1}:${MLFLOW_PORT:-5001}/#/experiments?workflowType=machine_learning"
exec "$python" -m mlflow server ${app[@]+"${app[@]}"} \
  --host "${MLFLOW_HOST:-127.0.0.1}" --port "${MLFLOW_PORT:-5001}" --workers "${MLFLOW_WORKERS:-1}" \
  --backend-store-uri "$backend" \
  --artifacts-destination "${MLFLOW_ARTIFACTS_DESTINATION:-$store/artifacts}"

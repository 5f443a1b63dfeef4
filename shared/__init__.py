"""Modules that more than one of api, worker and training use."""

import os

# Set before MLflow is imported anywhere: it sends no telemetry, and fails within seconds if its server is away.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

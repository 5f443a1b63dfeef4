"""The model registry: MLflow's own, and its copy in Redis that the API and the workers read."""

__all__ = [
    "account",
    "descriptions",
    "mlflow",
    "reading",
    "state",
    "waiting",
]

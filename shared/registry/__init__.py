"""The model registry: MLflow's own, and its copy in Redis that the API and the workers read."""

__all__ = [
    "descriptions",
    "mlflow",
    "state",
    "waiting",
]

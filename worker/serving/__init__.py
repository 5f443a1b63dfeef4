"""The model that serves: which one, where it comes from, how it takes over, and the engine that computes."""

__all__ = [
    "batching",
    "champion",
    "engine",
    "engine_metrics",
    "registry_service",
]

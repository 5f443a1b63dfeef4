"""Classifies chunks with the model in service: items, pictures, caches, and the service that takes chunks."""

__all__ = [
    "caches",
    "service",
]

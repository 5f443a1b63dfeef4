"""The categories that answers and labels may name: reading them, and putting others in their place."""

__all__ = [
    "documents",
    "routes",
    "schemas",
]

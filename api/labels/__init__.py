"""Labels: accepting them, and counting those in the store."""

__all__ = [
    "categories",
    "index",
    "routes",
    "schemas",
]

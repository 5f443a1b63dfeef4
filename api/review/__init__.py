"""The queue of open items: handing them out, with their near copies, to one person at a time."""

__all__ = [
    "routes",
    "schemas",
]

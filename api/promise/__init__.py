"""The promise: how precise accepted answers are, by what people decided about some of them, and from where on."""

__all__ = [
    "keeping",
    "routes",
    "schemas",
]

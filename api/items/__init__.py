"""Catalogue items as clients send them: their schema, their validation and their pictures."""

__all__ = [
    "images",
    "own_columns",
    "picture_types",
    "schemas",
    "thumbnails",
    "validation",
]

"""The catalogue as checked products and pictures: reading its files, merging labels, duplicates, quality."""

__all__ = [
    "challenge",
    "merging",
    "pictures",
    "product",
    "quality",
    "unlabelled",
]

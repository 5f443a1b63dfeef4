"""The catalogue as checked products and pictures: reading its files, merging labels, duplicates, quality."""

__all__ = [
    "challenge",
    "merging",
    "pictures",
    "places",
    "product",
    "quality",
    "unlabelled",
]

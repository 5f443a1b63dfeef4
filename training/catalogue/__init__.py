"""The catalogue as checked products and pictures: listing and reading its files, merging labels, quality."""

__all__ = [
    "challenge",
    "entries",
    "errors",
    "faults",
    "labelling",
    "listing",
    "merging",
    "pictures",
    "places",
    "product",
    "quality",
    "sources",
    "unlabelled",
]

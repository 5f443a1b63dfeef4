"""The stores: Redis, pictures and labels, opened as the settings say."""

__all__ = [
    "blobs",
    "files",
    "labels",
    "opening",
]

"""The stores: Redis, pictures, labels and taxonomies, opened as the settings say."""

__all__ = [
    "blobs",
    "files",
    "labels",
    "opening",
    "redis_check",
    "state_format",
    "taxonomies",
    "taxonomy_in_force",
]

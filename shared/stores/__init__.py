"""The stores: Redis, pictures, labels and taxonomies, opened as the settings say."""

__all__ = [
    "blobs",
    "decisions",
    "files",
    "labels",
    "opening",
    "redis_check",
    "request_files",
    "state_format",
    "taxonomies",
    "taxonomy_in_force",
]

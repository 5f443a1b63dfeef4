"""VGG16: its weights, its quantised form, and the features of pictures."""

__all__ = [
    "backbone_files",
    "features",
    "weights",
]

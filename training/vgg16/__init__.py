"""VGG16: its weights, its quantised form, its fine-tuning, and the features of pictures."""

__all__ = [
    "backbone_files",
    "features",
    "fine_tune",
    "weights",
]

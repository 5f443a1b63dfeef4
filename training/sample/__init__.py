"""The generated sample catalogue: texts and pictures free of other people's rights."""

__all__ = [
    "catalogue",
]

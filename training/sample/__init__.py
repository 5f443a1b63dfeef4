"""Sample catalogues, generated and written by hand: texts and pictures free of other people's rights."""

__all__ = [
    "catalogue",
    "shop",
]

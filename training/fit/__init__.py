"""Fitting the networks: VGG16 where it is fine-tuned, text, image, their fusion, and what teaches the text network."""

__all__ = [
    "fine_tune",
    "fusion",
    "image",
    "text",
]

"""Fitting the networks: VGG16 where it is fine-tuned, text, image, how their answers are joined, and the teachers."""

__all__ = [
    "cascade",
    "fine_tune",
    "fusion",
    "image",
    "text",
]

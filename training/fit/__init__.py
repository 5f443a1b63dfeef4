"""Fitting the networks: text, image, their fusion, and what teaches the text network."""

__all__ = [
    "epoch_bar",
    "fusion",
    "image",
    "schedule",
    "text",
]

"""Drift: how far a bundle's answers differ from those to its validation split, and when that is an alert."""

__all__ = [
    "alerts",
    "assessment",
    "routes",
]

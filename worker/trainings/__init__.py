"""Runs trainings: workspace, stages as processes, labels, verdict and promotion."""

__all__ = [
    "trainer",
]

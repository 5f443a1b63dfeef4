"""Judging a bundle: answers, scores, the gate's checks and the report."""

__all__ = [
    "answers",
    "comparison",
    "gate_checks",
    "held_out",
    "keras_answers",
    "latency",
    "protected",
    "report",
    "review",
    "scores",
]

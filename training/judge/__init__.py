"""Judging a bundle: answers, scores, the gate's checks and the report."""

__all__ = [
    "answers",
    "cascade",
    "changed_categories",
    "comparison",
    "gate_checks",
    "held_out",
    "keras_answers",
    "latency",
    "levels",
    "protected",
    "report",
    "review",
    "scores",
]

"""Judging a bundle: answers, scores, the gate's checks and the report."""

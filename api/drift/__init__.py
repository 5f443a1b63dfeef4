"""Drift: how far a model's answers have moved from those to its validation split, and when that is an alert."""

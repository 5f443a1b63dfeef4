"""Trainings: accepting them, their state, their log."""

"""Trainings: accepting them, their state and their log."""

"""Registered models: which one serves, and changing that."""

"""Drift: counters in Redis of what each model answers day by day, and the profiles that they are compared with.

Tenants are counted together, because it is about the model; no item, and nothing of one, is kept.
"""

from shared.drift.counters import BundleDrift, DayCounts, Drift, Labels, total

__all__ = ["BundleDrift", "DayCounts", "Drift", "Labels", "total"]

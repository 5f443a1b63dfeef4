"""Drift: daily counters in Redis of each bundle's answers, and the profiles that they are compared with.

Tenants are counted together, because drift is about the model; nothing about a single item is kept.
"""

from shared.drift.counters import BundleDrift, DayCounts, Drift, Labels, total

__all__ = ["BundleDrift", "DayCounts", "Drift", "Labels", "total"]

"""Drift: daily counters in Redis of each bundle's answers, and the profiles that they are compared with.

Tenants are counted together, because drift is about the model; nothing about a single item is kept.
"""

from shared.drift.counters import Drift, total

__all__ = [
    "Drift",
    "counters",
    "profile",
    "total",
]

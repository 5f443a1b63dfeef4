"""Drift: what each model answers day by day, held against what it answered to its validation split.

Tenants are counted together, because it is about the model; no item, and nothing of one, is kept.
"""

from shared.drift.alerts import ACCURACY, WEEK, Alert, alerts
from shared.drift.assessment import DRIFT, MIN_ITEMS, MODERATE, Assessment, Distance, Level, assess
from shared.drift.counters import DayCounts, Drift, Labels, ModelDrift, total

__all__ = [
    "ACCURACY",
    "DRIFT",
    "MIN_ITEMS",
    "MODERATE",
    "WEEK",
    "Alert",
    "Assessment",
    "DayCounts",
    "Distance",
    "Drift",
    "Labels",
    "Level",
    "ModelDrift",
    "alerts",
    "assess",
    "total",
]

"""Where the stages leave what they make, relative to the repository's root; `dvc.yaml` names the same places."""

from pathlib import Path

from shared.pipeline.stages import BUNDLE, FEATURE_STORE, LABELS

__all__ = [
    "BUNDLE", "EVALUATION_REPORT", "FEATURE_STORE", "HISTORY", "IMPORTED", "LABELS", "PREPARED", "STARTER",
    "TRAINING_REPORT",
]  # fmt: skip

IMPORTED = Path("data/imported")
PREPARED = Path("data/prepared")
TRAINING_REPORT = Path("data/training")
HISTORY = "history.csv"
"""In the training's report: a row per branch and epoch."""
EVALUATION_REPORT = Path("data/evaluation")
STARTER = Path("models/starter")
"""The bundle that comes with the repository."""

"""Where the stages leave what they make, relative to the repository's root; `dvc.yaml` names the same places."""

from pathlib import Path

from shared.pipeline.stages import BUNDLE, FEATURE_STORE

__all__ = [
    "BUNDLE", "EVALUATION_REPORT", "FEATURE_STORE", "HISTORY", "IMPORTED", "PREPARED", "STARTER", "TRAINING_REPORT",
]  # fmt: skip

IMPORTED = Path("data/imported")
LABELS = Path("data/labels/dataset")
"""A copy of the label store, where a training has taken one (`worker/trainings/label_snapshot.py`)."""
PREPARED = Path("data/prepared")
TRAINING_REPORT = Path("data/training")
HISTORY = "history.csv"
"""In the training's report: a row per branch and epoch."""
EVALUATION_REPORT = Path("data/evaluation")
STARTER = Path("models/starter")
"""The bundle that comes with the repository."""

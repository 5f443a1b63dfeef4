"""The places of the stages' outputs, relative to the repository's root; `dvc.yaml` names them as well."""

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
"""The file in the training's report with a row per branch and epoch."""
EVALUATION_REPORT = Path("data/evaluation")
STARTER = Path("models/starter")
"""The bundle that comes with the repository."""

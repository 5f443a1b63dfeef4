"""Where the stages leave what they make, relative to the repository's root; `dvc.yaml` names the same places."""

from pathlib import Path

IMPORTED = Path("data/imported")
LABELS = Path("data/labels/dataset")
"""A copy of the label store, where a training has taken one (`worker/label_snapshot.py`)."""
PREPARED = Path("data/prepared")
FEATURE_STORE = Path("data/feature-store")
"""Not a stage's output: kept between runs, so that only new pictures are computed."""
TRAINING_REPORT = Path("data/training")
HISTORY = "history.csv"
"""In the training's report: a row per branch and epoch."""
EVALUATION_REPORT = Path("data/evaluation")
BUNDLE = Path("models/bundle")
STARTER = Path("models/starter")
"""The bundle that comes with the repository."""

"""What the training pipeline's stages and those who run them agree on: names, files, and the gate's verdict."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

STAGES = ("import_data", "preprocess", "train", "evaluate")
"""DVC's, in their order."""

GATE = "gate"
STEPS = (*STAGES, GATE)
"""Of a training that was asked for over HTTP."""

BUNDLE = Path("models/bundle")
"""What `train` leaves, relative to the repository's root."""

FEATURE_STORE = Path("data/feature-store")
"""No stage's output: kept between runs, so that only new pictures are computed."""

LABELS = Path("data/labels/dataset")
"""The labels that a training learns from: `worker/trainings/label_snapshot.py` puts a copy there."""

VERDICT = Path("data/gate/verdict.json")
"""What `python -m training.gate` leaves."""


class PromotePolicy(StrEnum):
    """What becomes of a training's model."""

    AUTO = "auto"
    """It is promoted where it passes the gate."""
    MANUAL = "manual"
    """It stays challenger, with its verdict, until somebody promotes it."""
    NEVER = "never"
    """The same, and nobody is asked to."""


PROGRESS_FILE = "CATALOG_PROGRESS_FILE"
"""The environment variable that names the file to which a stage appends its progress: one JSON object per line."""


class Progress(BaseModel):
    """How far a stage is."""

    model_config = ConfigDict(frozen=True)

    stage: str
    what: str
    """For people: `text-teacher epoch`, `features of pictures`."""
    done: int
    total: int


class GateCheck(BaseModel):
    """One condition of a promotion."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Stable: `held_out`, `labels`, `weighted_f1`, `classes`, `calibration`, `coverage`, `latency` or `golden`."""
    passed: bool
    detail: str
    """One sentence with the figures, for people."""
    figures: dict[str, float]


class GateVerdict(BaseModel):
    """Whether a challenger may take the champion's place, and why."""

    model_config = ConfigDict(frozen=True)

    challenger: str
    """The bundle that was trained."""
    champion: str | None
    """The bundle in service; `None`: there was none."""
    items: int
    """Held-out items that both answered."""
    passed: bool
    detail: str
    """For people, in one sentence."""
    checks: tuple[GateCheck, ...]

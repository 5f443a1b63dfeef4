"""What the training pipeline's stages and those who run them agree on: names, files, and the gate's verdict."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

STAGES = ("import_data", "preprocess", "train", "evaluate")
"""DVC's, in their order."""

BUNDLE = Path("models/bundle")
"""What `train` leaves, relative to the repository's root."""

VERDICT = Path("data/gate/verdict.json")
"""What `python -m training.gate` leaves."""

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
    """Bundle version."""
    champion: str | None
    """Bundle version; `None`: nothing was in service."""
    items: int
    """Held-out items that both answered."""
    passed: bool
    detail: str
    """For people, in one sentence."""
    checks: tuple[GateCheck, ...]

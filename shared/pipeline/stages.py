"""The agreement between the pipeline's stages and the processes that run them: names, files, the gate's verdict."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

STAGES = ("import_data", "preprocess", "train", "evaluate")
"""DVC's stages that are skipped if nothing that they depend on has changed, in their order."""

LIST_INPUTS = "list_inputs"
"""DVC's stage before them, which always runs: it lists what lies outside git and DVC. Older revisions lack it."""

GATE = "gate"
STEPS = (*STAGES, GATE)
"""The steps of a training that was requested over HTTP."""

BUNDLE = Path("models/bundle")
"""The output of `train`, relative to the repository's root."""

FEATURE_STORE = Path("data/feature-store")
"""The output of no stage: it is kept between runs, so that only new pictures are computed."""

INPUTS = Path("data/inputs")
"""The outputs of `list_inputs`."""

SOURCE_CHANGES = INPUTS / "changes.json"
"""Beside them: how many products, pictures and texts the source has, and how many are new, changed and gone."""

LAST_IMPORTS = Path("data/last-imports")
"""The output of no stage: what each source held at its last import, kept between runs to tell what has changed."""

FETCHED = Path("data/fetched")
"""The output of no stage: pictures that a table names by URL, kept between runs, so that each is fetched once."""

IMPORTED_TAXONOMY = Path("data/imported/taxonomy.json")
"""The categories that a training works with."""
LABELS = Path("data/labels/dataset")
"""The labels that a training learns from: `worker/trainings/label_snapshot.py` puts a copy there."""

VERDICT = Path("data/gate/verdict.json")
"""The output of `python -m training.gate`."""

COMPARISON = "comparison.html"
"""Beside the verdict: challenger and champion on one page, with pictures."""


class PromotePolicy(StrEnum):
    """Whether a training's model is promoted."""

    AUTO = "auto"
    """It is promoted if it passes the gate."""
    MANUAL = "manual"
    """It stays challenger, with its verdict, until somebody promotes it."""
    NEVER = "never"
    """It is a trial: registered with its verdict, but it does not become challenger."""


PROGRESS_FILE = "CATALOG_PROGRESS_FILE"
"""The environment variable that names the file to which a stage appends its progress: one JSON object per line."""


class Progress(BaseModel):
    """The progress of a stage."""

    model_config = ConfigDict(frozen=True)

    stage: str
    what: str
    """What is counted, human-readable: `text-teacher epochs`, `features of pictures`."""
    done: int
    total: int


class GateCheck(BaseModel):
    """One condition of a promotion."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Stable: `held_out`, `labels`, `contradictions`, `weighted_f1`, `new_items`, `confirmed_items`, `classes`,
    `new_categories`, `calibration`, `coverage`, `latency`, `golden`."""
    passed: bool
    detail: str
    """One readable sentence with the figures."""
    figures: dict[str, float]


class GateVerdict(BaseModel):
    """Whether a challenger may take the champion's place, and why."""

    model_config = ConfigDict(frozen=True)

    challenger: str
    """The bundle that was trained."""
    champion: str | None
    """The bundle in service; `None`: there was none."""
    items: int
    """The number of items by which they were judged: the protected set's, or those that both trainings held out."""
    passed: bool
    detail: str
    """The verdict in one readable sentence."""
    checks: tuple[GateCheck, ...]

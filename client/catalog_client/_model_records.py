"""What the service answers about trainings, models and drift, as typed records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from catalog_client._parsing import Record, older
from catalog_client._records import QueuedWork


@dataclass(frozen=True, kw_only=True)
class Check(Record):
    """One condition of the gate's verdict."""

    name: str
    passed: bool
    detail: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """Whether the gate lets a challenger take the champion's place, and why."""

    passed: bool
    detail: str = ""
    challenger: str | None = None
    champion: str | None = None
    items: int = 0
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage(Record):
    """A stage of a training, and how far it is."""

    name: str
    state: str
    """waiting, running, done or failed."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cached: bool = False
    what: str | None = None
    """What `done` and `total` count."""
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingError(Record):
    """Why a training failed, and in which stage."""

    message: str
    stage: str | None = None


@dataclass(frozen=True, kw_only=True)
class Training(QueuedWork):
    """A training: its state, its stages, and what came of it."""

    params: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    """The name of the catalogue that it was asked to learn from; next, of the texts without a label."""
    unlabelled: tuple[str, ...] = ()
    revision: str | None = None
    promote: str = "auto"
    stage: str | None = None
    stages: tuple[Stage, ...] = ()
    attempts: int = 0
    trainer: str | None = None
    commit: str | None = None
    data: Mapping[str, Any] | None = None
    bundle: str | None = None
    """The hash of what it made, which results carry."""
    version: str | None = older("model_version")
    """The bundle's number in the model registry."""
    verdict: Verdict | None = None
    promoted: bool | None = None
    error: TrainingError | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingList(Record):
    """Your trainings, the newest first."""

    trainings: tuple[Training, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingSource(Record):
    """A catalogue, or texts without a label, that the operator has named."""

    name: str


@dataclass(frozen=True, kw_only=True)
class TrainingSources(Record):
    """What a training may learn from."""

    sources: tuple[TrainingSource, ...]


@dataclass(frozen=True, kw_only=True)
class Model(Record):
    """A registered version, with its figures and the gate's verdict."""

    version: str
    bundle: str
    aliases: tuple[str, ...] = ()
    created_at: datetime | None = None
    run_id: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    gate: Verdict | None = None
    workers: int = 0
    """How many workers serve it now."""


@dataclass(frozen=True, kw_only=True)
class Change(Record):
    """A change of the champion: by whom, when and why."""

    kind: str
    at: datetime
    by: str = ""
    why: str = ""
    champion: str | None = None
    previous: str | None = None


@dataclass(frozen=True, kw_only=True)
class Models(Record):
    """The registered versions, which of them serves, and who has changed that."""

    name: str
    models: tuple[Model, ...]
    champion: str | None = None
    """The version that serves."""
    previous: str | None = None
    """The version that a rollback leads to."""
    history: tuple[Change, ...] = ()
    copied_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Distance(Record):
    """How far one feature has moved away from the reference."""

    feature: str
    psi: float
    jensen_shannon: float = 0
    threshold: float = 0
    level: str | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimate(Record):
    """The accuracy that confidences alone suggest."""

    accuracy: float
    standard_error: float = 0


@dataclass(frozen=True, kw_only=True)
class LabelledAccuracy(Record):
    """The accuracy of the answers that have labels."""

    items: int
    accuracy: float
    standard_error: float = 0
    estimated_accuracy: float = 0
    estimate_error: float = 0


@dataclass(frozen=True, kw_only=True)
class Period(Record):
    """Some days of a bundle's answers, held against its reference."""

    first: date
    last: date
    items: int = 0
    estimate: Estimate | None = None
    labels: LabelledAccuracy | None = None
    distances: tuple[Distance, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reference(Record):
    """A bundle's profile on its validation split."""

    items: int
    accuracy: float
    estimated_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class BundleDrift(Record):
    """The drift of what one bundle answered."""

    bundle: str
    week: Period
    reference: Reference | None = None
    days: tuple[Period, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Alert(Record):
    """Drift that stands now, and the training that it suggests."""

    bundle: str
    feature: str
    value: float
    threshold: float
    since: date | None = None
    detail: str = ""
    proposal: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Drift(Record):
    """How far what comes in has moved away from what each bundle was validated on."""

    today: date
    alerts: tuple[Alert, ...] = ()
    bundles: tuple[BundleDrift, ...] = ()

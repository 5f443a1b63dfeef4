"""The ledger: the only owner of job state. Every change is one atomic step in Redis.

A job is split into chunks. A worker leases a chunk, works, and commits it; when a lease runs out, the chunk is ready
again. Celery messages only wake workers, so a lost, late or duplicate message does no harm.
"""

from shared.ledger.audit import Audit
from shared.ledger.bulk_decisions import BulkDecision, BulkDecisions, BulkState
from shared.ledger.changes import CHANGES, ended_among, read_change
from shared.ledger.chunks import ResultsGoneError
from shared.ledger.cursor import CursorError
from shared.ledger.decisions import (
    DecidedItems,
    DecisionAction,
    DecisionRow,
    Decisions,
    DecisionsGoneError,
    DecisionTurn,
    ToldDecision,
)
from shared.ledger.deliveries import (
    Admission,
    AdmissionDecision,
    Breaker,
    Deliveries,
    DeliveryAttempt,
    DeliveryOutcome,
    DeliveryTrigger,
    NothingToDeliverError,
)
from shared.ledger.figures import LaneFigures, QueueFigures
from shared.ledger.idempotency import KEEP_ANSWERS_S, Answered, Claim, Idempotency, InFlightError
from shared.ledger.item_list import ItemFilter, ItemList
from shared.ledger.item_orders import ItemOrder
from shared.ledger.job_filter import JobFilter, Search
from shared.ledger.job_list import JobList
from shared.ledger.latest_decisions import LatestDecisions
from shared.ledger.ledger import (
    LEASE_S,
    MAX_DEADLINE_S,
    STAGING_S,
    JobNotFoundError,
    Ledger,
    NotOnDiskError,
    QueueFullError,
    StagingLostError,
    SupersededError,
)
from shared.ledger.memory import Memory, Remembered
from shared.ledger.outbox import Outbox
from shared.ledger.promise_record import (
    WEEKS,
    CheckedAnswer,
    DrawCounts,
    PromiseRecord,
    precision_of,
    starts_at,
)
from shared.ledger.promises import ModelPromise, PromiseFigures, Promises, TenantThreshold, ThresholdMove
from shared.ledger.provisional import FittedColumns, ProvisionalColumns
from shared.ledger.quotas import MEMORY, MemoryFullError, MemoryQuota, QuotaExceededError, Quotas
from shared.ledger.recent import RecentItems
from shared.ledger.records import (
    Decided,
    Explanation,
    Guess,
    Job,
    KnownItem,
    LaneStatus,
    Lease,
    NewJob,
    Outcome,
    Page,
    QueuedItem,
    Sent,
    Value,
)
from shared.ledger.results import Results
from shared.ledger.review_queue import CardsWanted, OpenItem, ReservedCards, ReviewQueue
from shared.ledger.sent import SentItems
from shared.ledger.states import TERMINAL, TRANSITIONS, AuditKind, ItemStatus, JobState, PictureUse, WebhookState
from shared.ledger.trainings import Stage, StageState, Training, TrainingRequest, Trainings, new_training

__all__ = [
    "CHANGES",
    "KEEP_ANSWERS_S",
    "LEASE_S",
    "MAX_DEADLINE_S",
    "MEMORY",
    "STAGING_S",
    "TERMINAL",
    "TRANSITIONS",
    "WEEKS",
    "Admission",
    "AdmissionDecision",
    "Answered",
    "Audit",
    "AuditKind",
    "Breaker",
    "BulkDecision",
    "BulkDecisions",
    "BulkState",
    "CardsWanted",
    "CheckedAnswer",
    "Claim",
    "CursorError",
    "Decided",
    "DecidedItems",
    "DecisionAction",
    "DecisionRow",
    "DecisionTurn",
    "Decisions",
    "DecisionsGoneError",
    "Deliveries",
    "DeliveryAttempt",
    "DeliveryOutcome",
    "DeliveryTrigger",
    "DrawCounts",
    "Explanation",
    "FittedColumns",
    "Guess",
    "Idempotency",
    "InFlightError",
    "ItemFilter",
    "ItemList",
    "ItemOrder",
    "ItemStatus",
    "Job",
    "JobFilter",
    "JobList",
    "JobNotFoundError",
    "JobState",
    "KnownItem",
    "LaneFigures",
    "LaneStatus",
    "LatestDecisions",
    "Lease",
    "Ledger",
    "Memory",
    "MemoryFullError",
    "MemoryQuota",
    "ModelPromise",
    "NewJob",
    "NotOnDiskError",
    "NothingToDeliverError",
    "OpenItem",
    "Outbox",
    "Outcome",
    "Page",
    "PictureUse",
    "PromiseFigures",
    "PromiseRecord",
    "Promises",
    "ProvisionalColumns",
    "QueueFigures",
    "QueueFullError",
    "QueuedItem",
    "QuotaExceededError",
    "Quotas",
    "RecentItems",
    "Remembered",
    "ReservedCards",
    "Results",
    "ResultsGoneError",
    "ReviewQueue",
    "Search",
    "Sent",
    "SentItems",
    "Stage",
    "StageState",
    "StagingLostError",
    "SupersededError",
    "TenantThreshold",
    "ThresholdMove",
    "ToldDecision",
    "Training",
    "TrainingRequest",
    "Trainings",
    "Value",
    "WebhookState",
    "ended_among",
    "idempotency",
    "new_training",
    "packing",
    "precision_of",
    "read_change",
    "starts_at",
    "trainings",
]

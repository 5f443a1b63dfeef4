"""A training as the job that the ledger opens."""

from shared.ledger import NewJob
from shared.queues import TRAINING
from shared.settings import Settings


def new_training(
    settings: Settings, tenant: str, *, deadline_s: float | None = None, webhook_url: str | None = None
) -> NewJob:
    """One item in one chunk, as `Trainings.stage` has put it there."""
    return NewJob(
        tenant=tenant,
        lane=TRAINING,
        total=1,
        chunks=1,
        deadline_s=deadline_s or settings.max_deadline_s,
        max_queued=settings.max_queued_trainings,
        keep_s=settings.keep_results_s,
        keep_record_s=settings.keep_jobs_s,
        webhook_url=webhook_url,
        tracked=False,  # the stages write to MLflow themselves
    )

"""Logs each finished job as one run in MLflow, away from the workers that classify."""

import logging
import re
from collections import Counter
from datetime import UTC, datetime

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from redis import Redis

from shared.ledger import ItemStatus, Job, JobNotFoundError, Ledger, Outbox, Outcome, Results, ResultsGoneError
from shared.registry.mlflow import client, ensure_experiment, reason
from shared.settings import Settings
from shared.telemetry.logs import bound
from shared.telemetry.tracing import span
from worker.process import metrics

log = logging.getLogger(__name__)

EXPERIMENT = "rakuten-prediction-api"
_ABOUT = (
    "Jobs of the prediction API, one run per finished job: counts, latency, throughput, confidence, and how many items "
    "each category and each error got. The tag `job` is the job's id, `bundle` names the model that answered."
)
_RETRY_S = 60.0
_CATEGORIES = 200
"""Categories of a job that have a figure of their own, the most frequent ones."""
_UNNAMEABLE = re.compile(r"[^\w\-. /]", re.ASCII)
"""What MLflow takes in no metric's name."""
_INVALID = "INVALID_PARAMETER_VALUE"
"""MLflow's word for what it would refuse again."""


class JobTracking:
    def __init__(self, settings: Settings, redis: "Redis") -> None:
        self._ledger = Ledger(redis)
        self._results = Results(redis)
        self._outbox = Outbox(redis, "tracking")
        self._enabled = settings.track_predictions

    def track_due(self) -> None:
        """Log the next job that is due, if there is one."""
        for job_id in self._outbox.take(limit=1):
            self.track(job_id)

    def track(self, job_id: str) -> None:
        """Log the job once; if MLflow cannot be reached, the courier tries again after a minute.

        A job whose record or results are no longer kept is not logged, ever, nor one whose figures MLflow refuses.
        """
        with bound(job=job_id):
            try:
                if self._enabled:
                    job = self._ledger.job(job_id)
                    with span("log to MLflow", {"catalog.job": job.id}, within=job.traceparent):
                        self._log(job)
            except (JobNotFoundError, ResultsGoneError):
                log.warning("job %s is never logged to MLflow: its results are no longer kept", job_id)
                metrics.GONE.inc()
            except MlflowException as error:
                if error.error_code != _INVALID:
                    log.warning("job %s is not logged to MLflow yet: %s", job_id, reason(error))
                    self._outbox.postpone(job_id, _RETRY_S)
                    metrics.POSTPONED.inc()
                    return
                log.warning("job %s is never logged to MLflow, which refuses its figures: %s", job_id, reason(error))
                metrics.REFUSED.inc()
            self._outbox.settle(job_id)

    def _log(self, job: Job) -> None:
        mlflow = client()
        experiment = ensure_experiment(EXPERIMENT, _ABOUT)
        if mlflow.search_runs([experiment], f"tags.job = '{job.id}' and attributes.status = 'FINISHED'"):
            return
        results = [answer for page in self._results.pages(job) for answer in page.outcomes]
        bundles = sorted({bundle for bundle, _ in results if bundle})
        tags = {"job": job.id, "tenant": job.tenant, "state": job.state.value, "lane": job.lane}
        tags["bundle"] = ",".join(bundles)
        run = mlflow.create_run(experiment, tags=tags, run_name=_name(job))
        try:
            _log_metrics(mlflow, run.info.run_id, _figures(job, [outcome for _, outcome in results]))
        except MlflowException as error:
            if error.error_code == _INVALID:
                mlflow.set_terminated(run.info.run_id, status="FAILED")
            raise
        mlflow.set_terminated(run.info.run_id)
        metrics.LOGGED.inc()


def _name(job: Job) -> str:
    """Name the run by what sets the job apart in a list: its time, size, tenant and state."""
    created = datetime.fromtimestamp(job.created_at, UTC)
    return f"{created:%Y-%m-%d %H:%M} · {job.counts['total']:,} items of {job.tenant} · {job.state.value}"


def _figures(job: Job, outcomes: list[Outcome]) -> dict[str, float]:
    figures: dict[str, float] = {name: count for name, count in job.counts.items() if name != "pending"}
    figures["items"] = figures.pop("total")
    if job.succeeded:
        figures["needs_review.share"] = job.needs_review / job.succeeded
    if job.finished_at is not None:
        figures["latency_s"] = job.finished_at - job.created_at
    if job.finished_at is not None and job.started_at is not None:
        figures["waited_s"] = job.started_at - job.created_at
        figures["items_per_s"] = (job.succeeded + job.failed) / max(job.finished_at - job.started_at, 1e-3)
    best = [outcome.guesses[0] for outcome in outcomes if outcome.guesses]
    if best:
        confidences = [guess.confidence for guess in best]
        figures["confidence.mean"] = float(np.mean(confidences))
        figures |= {f"confidence.p{p}": float(np.percentile(confidences, p)) for p in (10, 50, 90)}
    figures |= _by_category(Counter(guess.code for guess in best))
    errors = Counter(outcome.error for outcome in outcomes if outcome.status is ItemStatus.FAILED)
    return figures | {f"error.{error}": count for error, count in errors.items()}


def _by_category(items: Counter[str]) -> dict[str, float]:
    """The number of items of the most frequent categories, under names that MLflow accepts."""
    figures: Counter[str] = Counter()
    for code, count in items.most_common(_CATEGORIES):
        figures[f"type.{_UNNAMEABLE.sub('_', code)}"] += count
    return dict(figures)


def _log_metrics(mlflow: MlflowClient, run_id: str, figures: dict[str, float]) -> None:
    metrics = [Metric(name, float(value), timestamp=0, step=0) for name, value in figures.items()]
    mlflow.log_batch(run_id, metrics=metrics)

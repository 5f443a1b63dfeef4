"""Every setting of every process, read from the environment as `CATALOG_…`."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.tenants.local import LOCAL_TENANT

ROOT = Path(__file__).resolve().parent.parent
MLFLOW_STORE = ROOT / "mlflow-store"
SECRETS = Path("/run/secrets")
"""Where containers have files with single settings, named like their variables in lower case."""
REGISTRY_SCHEME = "models:/"
"""What a model's URI in MLflow's registry begins with."""


def local_bundle() -> Path:
    """The bundle that was trained here last, or else the starter: what serves until the registry has a champion."""
    trained, starter = ROOT / "models/bundle", ROOT / "models/starter"
    return trained if (trained / "manifest.json").exists() else starter


class Settings(BaseSettings):
    """Defaults suit one machine: everything on loopback, files in the repository's folder."""

    model_config = SettingsConfigDict(
        env_prefix="CATALOG_",
        env_file=".env",
        env_ignore_empty=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        extra="ignore",
        frozen=True,
    )

    redis_url: str = "redis://127.0.0.1:6379/0"
    """Jobs, and the state of the workers."""
    broker_url: str = "redis://127.0.0.1:6379/1"
    """Celery's wake-ups; a database of its own, so that either can be moved or emptied alone."""
    task_events: bool = False
    """Tell Flower of each of Celery's messages; they are wake-ups, so jobs are not seen there."""
    blob_url: str = f"file://{ROOT}/data/blobs"
    """Where pictures lie until their job is classified: any fsspec URL."""
    labels_url: str = f"file://{ROOT}/data/labels-store"
    """Where labels are kept for trainings, append-only: any fsspec URL."""

    model: str | None = None
    """The bundle to serve, whatever the registry says: a folder, or `models:/name/version` in MLflow's registry.

    By default workers follow the registry's champion, and serve `local_bundle` until there is one.
    """
    registered_model: str = "rakuten-classification"
    """The registry's model whose champion is followed; `evaluate.registered_model` in `params.yaml` names it too."""
    model_cache: Path = ROOT / "models/cache"
    """Where bundles from the registry are kept: the last few, and those that its aliases name."""
    runtime: str = "auto"
    """`auto`, `openvino` (VGG16 in int8), `openvino-float`, `tensorflow` or `jax`."""

    mlflow_tracking_uri: str = f"sqlite:///{MLFLOW_STORE}/mlflow.db"
    track_predictions: bool = True
    """Log each finished job to MLflow's experiment `rakuten-prediction-api`."""

    public_url: str = "http://127.0.0.1:5000"
    """Where clients reach the API; links in webhooks begin with it."""
    webhook_secrets: tuple[SecretStr, ...] = ()
    """Master secrets, the newest first, each `whsec_…`: a tenant's signing secrets are derived from them.

    A delivery is signed with all of them, so that one can be rotated out; without any, a job that names a webhook is
    refused."""
    webhook_timeout_s: float = 15
    """For one delivery, in all."""
    webhook_retries_s: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    """Pauses before each further attempt: the schedule of the Standard Webhooks specification, about three days."""
    webhook_breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row after which a receiver is left alone for `webhook_breaker_pause_s`."""
    webhook_breaker_pause_s: float = 60
    allowed_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks that URLs may lead to although they are not public: `["127.0.0.0/8"]` in development."""
    image_timeout_s: float = 10
    """For fetching one picture by URL, in all."""

    max_items: int = 100_000
    """Of one job."""
    max_labels: int = 10_000
    """Of one request."""
    max_body_bytes: int = 2 * 1024**3
    """Of one request; bodies are streamed, so it bounds the disk, not the memory."""
    max_image_bytes: int = 20 * 1024**2
    max_image_pixels: int = 50_000_000
    """A picture of so many takes up to a gigabyte while it is decoded; they are, one at a time."""
    interactive_items: int = 16
    """Jobs of up to this many items overtake the larger ones."""
    max_queued_items: int = 1_000_000
    """Items of all jobs that wait for a result; past it the API answers 503 until some are done."""
    rate_limit: str = "600/minute"
    """Requests per API key, in the notation of the library `limits`."""
    predict_timeout_s: float = 30
    max_deadline_s: int = 7 * 24 * 3600
    """After so long a job that has not ended expires; a job may ask for less."""
    keep_results_s: int = 7 * 24 * 3600
    """After a job's end; then its results are gone."""
    keep_jobs_s: int = 30 * 24 * 3600
    """After its results are gone, a job's record says so for so long (410); then nothing knows it (404)."""
    keep_inputs: bool = True
    """Keep what was classified, pictures too, as long as its results: so that a correction need only name the result.

    In Redis it takes what the item took while it waited, 65 to 102 bytes. Without it a correction brings the item
    along."""
    keep_drift_days: int = Field(default=90, ge=7)
    """For so long each bundle's counts of a day are kept, which tell how its items change."""
    keep_idempotency_s: int = 24 * 3600
    """For so long an Idempotency-Key replays its first answer."""
    blob_grace_s: int = 24 * 3600
    """A picture that no job refers to is removed once it is so old."""
    redis_timeout_s: float = 5
    """How long a silent Redis is waited for."""
    confirm_on_disk: bool = True
    """Answer 202 only when Redis says that the job is in its append-only file on disk (needs Redis or Valkey 7.2)."""

    log_format: Literal["text", "json"] = "text"
    """`json`: an object per line, with the ids of what the line is about; see docs/observability.md."""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda level: str(level).upper())
    ] = "INFO"
    """Whatever uvicorn's and Celery's command lines say. Traces have OpenTelemetry's own variables, `OTEL_…`."""

    training_repository: Path = ROOT
    """The git repository that trainings clone: a folder with `dvc.yaml`, whose DVC cache and features they share."""
    training_workspaces: Path = ROOT / ".run/trainings"
    """Where each training has a folder of its own, on a local disk."""
    training_kept: int = Field(default=3, ge=0)
    """Workspaces of ended trainings that are kept for a look."""
    dvc_remote: str | None = None
    """Where trainings share what they make: a DVC remote's URL (a folder, `s3://…`, `ssh://…`), or the name of one that
    the repository's `.dvc/config` has. Credentials are the environment's (`AWS_…`), or an SSH agent's."""
    training_schedule: str | None = None
    """When a training is opened by itself, as a crontab line in UTC: `0 3 * * 0`; never where it is left out."""
    training_tenant: str = LOCAL_TENANT
    """Whose trainings those are."""
    max_queued_trainings: int = Field(default=10, ge=1)
    """Trainings that have not ended; past it the API answers 503."""

    process_port: int | None = Field(default=None, ge=1, le=65535)
    """Where a Celery process answers `/metrics`, `/live` and `/ready`, to whoever can reach it; nowhere by default."""

    bulk_slots: int = Field(default=3, ge=1)
    """Chunks of bulk jobs that a worker has in hand at a time; its other threads stay free for interactive ones."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Pictures computed together; by default what a measurement at the start finds to be fastest."""
    cached_predictions: int = Field(default=200_000, ge=0)
    """Answers kept in Redis, of all workers together, about 90 bytes each; 0: every item is computed.

    A catalogue of half as many items, sent again after a change, costs only the change."""
    cached_features: int = Field(default=100_000, ge=0)
    """Pictures whose VGG16 features are kept per host, 4.6 KB each; 0: none."""
    feature_cache: Path = ROOT / "models/cache/features"
    """The folder where they lie: on a local disk; a host's workers share it."""
    prepare_threads: int = Field(default=8, ge=1)
    """Threads per lane that fetch and decode pictures ahead of the model."""
    chunk_timeout_s: float = 300
    """A worker that is not done with a chunk by then gives it up, and another takes it."""
    isolate_after: int = Field(default=2, ge=1)
    """A chunk that was lost so often is computed item by item in a process of its own."""
    item_timeout_s: float = 60
    """For one item there."""


@lru_cache
def get_settings() -> Settings:
    return Settings()

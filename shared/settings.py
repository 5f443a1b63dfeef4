"""The settings of all processes, read from the environment as `CATALOG_…`.

docs/running.md lists them in the same groups. What nobody has needed to change is a constant where it is used.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.pipeline.sources import parse_sources
from shared.redis_address import checked
from shared.tenants.local import LOCAL_TENANT

ROOT = Path(__file__).resolve().parent.parent
MLFLOW_STORE = ROOT / "mlflow-store"
SECRETS = Path("/run/secrets")
"""Folder of files with one setting each, named like the variables in lower case, as containers have it."""
ACCESS = Path("/run/access")
"""Folder of such files for all containers of a stack: how they reach Redis and MLflow. Fewer have the other one."""
REGISTRY_SCHEME = "models:/"
"""Beginning of a model's URI in MLflow's registry."""


def local_bundle() -> Path:
    """Return the bundle that serves until a champion exists: the last one trained here, or the starter."""
    trained, starter = ROOT / "models/bundle", ROOT / "models/starter"
    return trained if (trained / "manifest.json").exists() else starter


def _separated(text: object) -> object:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", text):
        raise ValueError("an origin is a scheme and a host, in lower case and without a path: https://shop.example")
    return text


Origin = Annotated[str, AfterValidator(_origin)]
RedisUrl = Annotated[str, AfterValidator(checked)]


class Settings(BaseSettings):
    """Defaults suit one machine: everything on loopback, files in the repository's folder."""

    model_config = SettingsConfigDict(
        env_prefix="CATALOG_",
        env_file=".env",
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        secrets_dir=[folder for folder in (SECRETS, ACCESS) if folder.is_dir()],
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # which may be a password
    )

    # Stores

    redis_url: RedisUrl = "redis://127.0.0.1:6379/0"
    """Redis database of jobs and of the workers' state; `shared/redis_address.py` lists the forms of an address."""
    broker_url: RedisUrl = "redis://127.0.0.1:6379/1"
    """Redis database of Celery's messages, separate so that either can be moved or emptied alone."""
    redis_timeout_s: float = 5
    """Seconds to wait for a Redis that does not answer."""
    confirm_on_disk: bool = True
    """Answer 202 only when Redis confirms that its append-only file has the job on disk (Redis or Valkey 7.2)."""
    confirm_replicas: int = Field(default=0, ge=0)
    """Answer 202 only when this many replicas of Redis confirm the same, too, so that a failover cannot lose the job.

    While fewer of them are there, nothing is accepted (503)."""
    blob_url: str = f"file://{ROOT}/data/blobs"
    """Where pictures lie until their job is classified: any fsspec URL."""
    labels_url: str = f"file://{ROOT}/data/labels-store"
    """Where labels and decisions are kept for trainings, append-only: any fsspec URL."""
    mlflow_tracking_uri: str = f"sqlite:///{MLFLOW_STORE}/mlflow.db"
    """MLflow's server or database."""
    mlflow_username: str = "catalog"
    """Account at MLflow's server, if it asks for one."""
    mlflow_password: SecretStr | None = None
    """Password of that account."""
    track_predictions: bool = True
    """Log each finished job to MLflow's experiment `rakuten-prediction-api`."""
    public_url: str = "http://127.0.0.1:5000"
    """Where clients reach the API; links in webhooks begin with it."""

    # Connections to the API

    proxy_addresses: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_separated)] = ()
    """Addresses or networks of proxies in front of the API, separated by commas; none by default.

    What they say in `X-Forwarded-For` and `X-Forwarded-Proto` is believed, and they stand for many clients."""
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_separated)] = ()
    """Origins of web pages that may call the API from a browser, separated by commas: `https://shop.example`.

    Such a page sends an API key, which everybody who opens it can read."""
    max_connections_per_address: int = Field(default=256, ge=1)
    """Connections of one address to one API process, except a proxy's; a new one takes the place of an idle one."""
    max_held_requests: int = Field(default=100, ge=1)
    """Event streams and waiting requests that one key may have at one API process."""

    # Model

    model: str | None = None
    """The bundle to serve, regardless of the registry: a folder, or `models:/name/version` in MLflow's registry.

    By default workers follow the registry's champion, and serve `local_bundle` until there is one.
    """
    registered_model: str = "rakuten-classification"
    """The registry's model: trainings register its versions, and workers serve its champion."""
    model_cache: Path = ROOT / "models/cache"
    """Folder of bundles from the registry: the last few, and those that its aliases name."""
    runtime: str = "auto"
    """`auto`, `openvino` (VGG16 in int8), `openvino-float`, `tensorflow` or `jax`."""
    audit_share: float = Field(default=0.01, ge=0, le=0.5)
    """Share of the answers accepted without review that people are shown like those that need one.

    Their decisions tell how precise the accepted ones are, and move the threshold (docs/review.md). With 0, nobody
    looks at any, and the threshold is not moved."""
    cached_predictions: int = Field(default=200_000, ge=0)
    """Answers kept in Redis for all workers together, about 90 bytes each; 0 turns the cache off.

    A catalogue of half as many items, sent again after a change, costs only the change."""
    cached_features: int = Field(default=100_000, ge=0)
    """Pictures whose VGG16 features are kept on each host, 4.6 KB each; 0 turns the cache off."""
    feature_cache: Path = ROOT / "models/cache/features"
    """Folder of these features on a local disk, shared by the host's workers."""

    # Webhooks, and pictures by URL

    webhook_secrets: tuple[SecretStr, ...] = ()
    """Master secrets (`whsec_…`), the newest first; each tenant's signing secrets are derived from them.

    A delivery is signed with all of them, so that one can be rotated out. Without any, a job with a webhook is
    refused."""
    webhook_timeout_s: float = 15
    """Seconds for one delivery in total."""
    webhook_retries_s: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    """Pauses before each further attempt: the schedule of the Standard Webhooks specification, about three days."""
    webhook_breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row after which a receiver gets no deliveries for `webhook_breaker_pause_s`."""
    webhook_breaker_pause_s: float = 60
    """Length of the first such pause; each further one is twice as long, up to 15 minutes."""
    allowed_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks that URLs may lead to although they are not public: `["127.0.0.0/8"]` in development."""
    image_timeout_s: float = 10
    """Seconds to fetch one picture by URL in total, with redirects and further tries."""
    fetches_per_host: int = Field(default=8, ge=1)
    """Pictures that all workers together fetch from one host at a time; others wait, which costs them no time limit."""

    # Limits of requests

    max_items: int = 100_000
    """Items of one job."""
    max_labels: int = 10_000
    """Labels, or decisions, of one request."""
    max_body_bytes: int = 2 * 1024**3
    """Body of one request, and its pictures once unpacked; those of all requests being read may have twice as much.

    Bodies are streamed, so this limits the space on disk, not the memory."""
    max_image_bytes: int = 20 * 1024**2
    """File of one picture."""
    max_queued_items: int = 1_000_000
    """Items of all jobs that have no result yet; beyond it the API answers 503 until some are done."""
    tenant_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the limits on waiting items, trainings and memory that one tenant may use; beyond it the API answers
    429. It counts from the second tenant on that has a key: a tenant alone may use everything."""
    memory_share: float = Field(default=0.85, gt=0, le=1)
    """Share of Redis' memory from which on nothing is accepted (503), so that the rest is there for results."""
    rate_limit: str = "600/minute"
    """Requests per API key, in the notation of the library `limits`."""
    predict_timeout_s: float = 30
    """Seconds until `/predict` gives up."""

    # Retention

    keep_results_s: int = 7 * 24 * 3600
    """Seconds from a job's end until its results are removed."""
    keep_jobs_s: int = 30 * 24 * 3600
    """Seconds from then until its record is removed: the API answers 410 before, 404 after."""
    keep_inputs: bool = True
    """Keep classified items, with their pictures, as long as their results, so that a label need only name the result.

    In Redis an item takes what it took while it waited, 65 to 102 bytes. Without this, a label must bring its item."""
    keep_drift_days: int = Field(default=90, ge=7)
    """Days for which each model's daily drift counters are kept."""

    # Trainings

    training_repository: Path = ROOT
    """The git repository that trainings clone: a folder with `dvc.yaml`, whose DVC cache and features they share."""
    training_workspaces: Path = ROOT / ".run/trainings"
    """Folder of the trainings' workspaces, on a local disk."""
    training_sources: Annotated[Mapping[str, str], NoDecode, BeforeValidator(parse_sources)] = {}
    """The catalogues that a training request may name: `NAME=PLACE,NAME=PLACE`, or a JSON object.

    A place is an absolute path or a URL of fsspec: a folder with the challenge's files, or a file of texts without a
    label. The API and the trainers need the same names."""
    training_environment: tuple[str, ...] = ()
    """Names of environment variables that the stages get beside those in `shared/pipeline/environment.py`: credentials
    of a store that the list lacks, as a JSON list."""
    training_kept: int = Field(default=3, ge=0)
    """Workspaces of ended trainings that are kept for inspection."""
    dvc_remote: str | None = None
    """Where machines share what trainings make: a DVC remote's URL (a folder, `s3://…`, `ssh://…`), or the name of one
    in the repository's `.dvc/config`. Credentials come from the environment (`AWS_…`) or an SSH agent."""
    trial: bool = False
    """Whether a training in this environment is a trial, such as a run of a parameter sweep: its version is registered,
    but does not become `challenger`."""
    protected_set: str | None = None
    """The items on which the gate judges every challenger: a folder or any fsspec URL with files in the form of the
    challenge. No training learns from it and no request can name another one."""
    training_schedule: str | None = None
    """When to start a training, as a crontab line in UTC (`0 3 * * 0`); by default never."""
    training_tenant: str = LOCAL_TENANT
    """Tenant of scheduled trainings."""
    max_queued_trainings: int = Field(default=10, ge=1)
    """Trainings that have not ended; beyond it the API answers 503."""

    # Processes

    process_port: int | None = Field(default=None, ge=1, le=65535)
    """Port on which a Celery process answers `/metrics`, `/live` and `/ready` to anyone; none by default."""
    log_format: Literal["text", "json"] = "text"
    """`json` writes an object per line, with the ids of what the line is about; see docs/observability.md."""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda level: str(level).upper())
    ] = "INFO"
    """Level of the log, regardless of uvicorn's and Celery's command lines. Traces have OpenTelemetry's own variables
    (`OTEL_…`)."""
    task_events: bool = False
    """Send Celery's events, from which Flower knows the processes. They describe wake-up messages, so jobs do not
    appear there."""
    bulk_slots: int = Field(default=3, ge=1)
    """Chunks of bulk jobs that a worker processes at a time; its other threads stay free for interactive ones."""
    prepare_threads: int = Field(default=8, ge=1)
    """Threads per lane that fetch and decode pictures ahead of the model."""
    chunk_timeout_s: float = 300
    """Seconds without a picture of a chunk done, after which a worker gives the chunk up, and another takes it."""
    isolate_after: int = Field(default=2, ge=1)
    """Losses of a chunk after which its items are computed one by one in a separate process."""
    item_timeout_s: float = 60
    """Seconds for one item in that process, without loading the model."""


@lru_cache
def get_settings() -> Settings:
    return Settings()


def variable(field: str) -> str:
    """Return the name of the environment variable of a setting."""
    return f"CATALOG_{field.upper()}"


def wrong_settings(error: ValidationError) -> list[str]:
    """Return a sentence for each wrong setting, which begins with the variable's name."""
    return [
        f"{variable('_'.join(map(str, entry['loc'])))}: {entry['msg'].removeprefix('Value error, ')}"
        for entry in error.errors()
    ]

"""Every setting of every process, read from the environment as `CATALOG_…`."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
MLFLOW_STORE = ROOT / "mlflow-store"
REGISTRY_SCHEME = "models:/"
"""What a model's URI in MLflow's registry begins with."""


def _default_model() -> str:
    trained, starter = ROOT / "models/bundle", ROOT / "models/starter"
    return str(trained if (trained / "manifest.json").exists() else starter)


class Settings(BaseSettings):
    """Defaults suit one machine: everything on loopback, files in the repository's folder."""

    model_config = SettingsConfigDict(env_prefix="CATALOG_", env_file=".env", extra="ignore", frozen=True)

    redis_url: str = "redis://127.0.0.1:6379/0"
    """Jobs, and the state of the workers."""
    broker_url: str = "redis://127.0.0.1:6379/1"
    """Celery's wake-ups; a database of its own, so that either can be moved or emptied alone."""
    blob_url: str = f"file://{ROOT}/data/blobs"
    """Where pictures lie until their job is classified: any fsspec URL."""

    model: str = Field(default_factory=_default_model)
    """The bundle to serve: a folder, or a URI of MLflow's registry (`models:/rakuten-classification@champion`).

    By default the one that was trained here last, or else the starter.
    """
    model_cache: Path = ROOT / "models/cache"
    """Where bundles from the registry are kept."""
    runtime: str = "auto"
    """`auto`, `openvino` or `tensorflow`."""

    mlflow_tracking_uri: str = f"sqlite:///{MLFLOW_STORE}/mlflow.db"
    track_predictions: bool = True
    """Log each finished job to MLflow's experiment `rakuten-prediction-api`."""

    public_url: str = "http://127.0.0.1:5000"
    """Where clients reach the API; links in webhooks begin with it."""
    webhook_secret: SecretStr | None = None
    """Standard Webhooks' signing secret, `whsec_…`; without one, jobs that name a webhook are refused."""
    webhook_timeout_s: float = 15
    webhook_retries_s: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    """Pauses before each further attempt: the schedule of the Standard Webhooks specification, about three days."""
    allow_private_addresses: bool = False
    """Let picture and webhook URLs lead to loopback and private addresses: for development only."""
    image_timeout_s: float = 10
    """For fetching one picture by URL, in all."""

    max_items: int = 100_000
    max_body_bytes: int = 64 * 1024**2
    """Of a JSON body, which is read as a whole; NDJSON is not bounded by it."""
    max_image_bytes: int = 20 * 1024**2
    interactive_items: int = 16
    """Jobs of up to this many items overtake the larger ones."""
    predict_timeout_s: float = 30
    keep_results_s: int = 7 * 24 * 3600

    bulk_slots: int = Field(default=3, ge=1)
    """Chunks of bulk jobs that a worker has in hand at a time; its other threads stay free for interactive ones."""
    micro_batch: int = Field(default=8, ge=1)
    """Pictures computed together."""
    prepare_threads: int = Field(default=8, ge=1)
    """Threads per lane that fetch and decode pictures ahead of the model."""


@lru_cache
def get_settings() -> Settings:
    return Settings()

"""Real parts for the tests: a Redis server, a trained bundle, and the whole running service."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from shared.ledger import Ledger
from shared.model.bundle import Bundle
from shared.settings import ROOT
from stack import redis_server
from stack.processes import Process, free_port
from stack.services import Ports, Stack
from training.import_data import import_sample
from training.params import ImageParams, PreprocessParams, SampleParams, TextParams, TrainParams
from training.prepared import Prepared
from training.preprocess import prepare

TRAIN_PARAMS = TrainParams(
    seed=7,
    text=TextParams(
        max_words=24,
        vocabulary=5000,
        min_count=1,
        embedding=32,
        units=32,
        dropout=0.2,
        word_dropout=0.0,
        batch_size=16,
        learning_rate=0.01,
        epochs=12,
        patience=12,
    ),
    image=ImageParams(units=64, dropout=0.2, batch_size=16, learning_rate=0.002, epochs=15, patience=15),
)


@dataclass(frozen=True)
class Trained:
    """A bundle, and what it was made of."""

    bundle: Bundle
    prepared: Prepared
    imported: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The sample catalogue through the pipeline's own functions; VGG16 has random weights."""
    from training.train import train

    folder = tmp_path_factory.mktemp("trained")
    imported, output = folder / "imported", folder / "prepared"
    import_sample(SampleParams(per_type=8, seed=7), imported)
    output.mkdir()
    params = PreprocessParams(seed=7, validation=0.15, test=0.15, vgg16_weights="random")
    prepare(imported, output, folder / "feature-store", params, sample=True)
    prepared = Prepared(output)
    bundle = train(prepared, folder / "bundle", folder / "report", TRAIN_PARAMS)
    return Trained(bundle, prepared, imported)


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    process = Process("redis", redis_server.server_command(port, folder), folder / "redis.log", {}, folder)
    redis_server.wait_for(process, port)
    yield port
    process.stop()


@pytest.fixture
def redis(redis_port: int) -> Iterator[Redis]:
    """An empty database."""
    with Redis(port=redis_port) as client:
        client.flushdb()
        yield client


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, keep_s=3600)


@pytest.fixture(scope="session")
def stack(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, MLflow, worker, housekeeper and API as processes, serving the trained bundle."""
    folder = tmp_path_factory.mktemp("stack")
    settings = {
        "CATALOG_MODEL": str(trained.bundle.folder),
        "CATALOG_WEBHOOK_RETRIES_S": "[0.1, 0.1, 0.1]",
        "CATALOG_IMAGE_TIMEOUT_S": "2",
        "MLFLOW_STORE": str(folder / "mlflow-store"),
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=free_port())
    with Stack(ROOT, folder, ports, settings) as running:
        yield running


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client

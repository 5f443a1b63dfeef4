"""Redis, MLflow, worker, housekeeper, courier, trainer and API, started in order and stopped in reverse."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from pydantic import SecretStr

from shared.settings import ROOT, get_settings, local_bundle
from shared.tenants.local import LOCAL_TENANT
from shared.tenants.webhook_secrets import signing_secrets
from stack import redis_server
from stack.processes import Process, free_port
from stack.provision import keep, master_secret
from stack.roles import APP, Role, command
from stack.state_lock import StateLock

__all__ = ["ROOT", "Ports", "Stack", "bundle_folder", "pick_ports"]


@dataclass(frozen=True)
class Ports:
    redis: int
    api: int
    mlflow: int | None
    """`None`: no MLflow server; runs go straight into its SQLite file."""


class Stack:
    """A running service; use it as a context manager.

    Args:
        root: The checkout to run.
        state: Where logs, Redis' file and pictures go.
        ports: Where to listen; see `pick_ports`.
        settings: Further `CATALOG_…` variables.
        say: Told of each step.
        trainer: Whether trainings run.
        observed: Whether each Celery process has a port for its figures (see `process_url`).
    """

    def __init__(
        self,
        root: Path,
        state: Path,
        ports: Ports,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
        *,
        trainer: bool = False,
        observed: bool = False,
    ) -> None:
        self.ports = ports
        self.state = state
        self.worker: Process
        """The classifying worker that was started last."""
        self.url = f"http://127.0.0.1:{ports.api}"
        master = _kept_secret(state / "webhook-master")
        self.webhook_secret = signing_secrets([SecretStr(master)], LOCAL_TENANT)[0].get_secret_value()
        """What webhooks to callers without an API key are signed with."""
        keep(state / "webhook-secret", self.webhook_secret)
        self._root = root
        self._say = say
        self._trainer = trainer
        self._observed = observed
        self._process_ports: dict[str, int] = {}
        self._lock: StateLock | None = None
        self._exit = ExitStack()
        self._running: dict[str, tuple[Process, list[str], Mapping[str, str] | None]] = {}
        """By name, as they were started last."""
        self.env = {
            **os.environ,
            "CATALOG_REDIS_URL": f"redis://127.0.0.1:{ports.redis}/0",
            "CATALOG_BROKER_URL": f"redis://127.0.0.1:{ports.redis}/1",
            "CATALOG_BLOB_URL": f"file://{state.resolve()}/blobs",
            "CATALOG_LABELS_URL": f"file://{state.resolve()}/labels",
            "CATALOG_FEATURE_CACHE": str(state.resolve() / "features"),
            "CATALOG_PUBLIC_URL": self.url,
            "CATALOG_WEBHOOK_SECRETS": json.dumps([master]),
            "CATALOG_ALLOWED_NETWORKS": '["127.0.0.0/8", "::1/128"]',  # everything here is on the loopback
            **({"CATALOG_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports.mlflow}"} if ports.mlflow else {}),
            **(settings or {}),
        }

    def __enter__(self) -> Self:
        self.state.mkdir(parents=True, exist_ok=True)
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything that was started."""
        self._exit.close()

    def start(self) -> None:
        """Everything, each part as soon as what it needs is there; returns when the model is served."""
        self.start_redis()
        mlflow = self.start_mlflow() if self.ports.mlflow else None
        self._start_workers()
        self.start_housekeeper()
        self.start_courier()
        if self._trainer:
            self.start_trainer()
        api = self.start_api()
        if mlflow is not None:
            mlflow.wait_until(lambda: _answers(f"http://127.0.0.1:{self.ports.mlflow}/health"), timeout_s=90)
        self._say("waiting for the model")
        api.wait_until(self.serves, timeout_s=120)

    def start_redis(self) -> Process:
        """Raises `StartError` if another stack runs in this state folder."""
        if self._lock is None:
            self._lock = StateLock(self.state)
            self._exit.callback(self._lock.close)
        folder = self.state / "redis"
        folder.mkdir(exist_ok=True)
        self._say(f"using {redis_server.described()}")
        process = self._start("redis", redis_server.server_command(self.ports.redis, folder))
        redis_server.wait_for(process, self.ports.redis)
        return process

    def start_mlflow(self) -> Process:
        script = ["bash", str(self._root / "start_mlflow.sh")]
        return self._start("mlflow", script, {"MLFLOW_PORT": str(self.ports.mlflow)})

    def start_worker(self, name: str = "worker", settings: Mapping[str, str] | None = None, app: str = APP) -> Process:
        """Further `settings` are this worker's alone; `app` is the module of its Celery app."""
        self.worker = self._start_celery(name, command(Role.WORKER, name=name, app=app), settings)
        return self.worker

    def start_housekeeper(self, settings: Mapping[str, str] | None = None) -> Process:
        schedule = str(self.state / "beat-schedule")
        return self._start_celery("housekeeper", command(Role.HOUSEKEEPER, schedule=schedule), settings)

    def start_courier(self, settings: Mapping[str, str] | None = None) -> Process:
        return self._start_celery("courier", command(Role.COURIER), settings)

    def start_trainer(self, name: str = "trainer", settings: Mapping[str, str] | None = None) -> Process:
        return self._start_celery(name, command(Role.TRAINER, name=name), settings)

    def start_api(self, settings: Mapping[str, str] | None = None) -> Process:
        quiet = {} if "CATALOG_LOG_LEVEL" in self.env else {"CATALOG_LOG_LEVEL": "WARNING"}  # no line per request
        api = [*command(Role.API), "--port", str(self.ports.api)]
        process = self._start("api", api, {**quiet, **(settings or {})})
        process.wait_until(lambda: _answers(f"{self.url}/health/ready"), timeout_s=60)
        return process

    def process(self, name: str) -> Process:
        """The one of this name that was started last."""
        return self._running[name][0]

    def process_url(self, name: str) -> str:
        """Where a Celery process of an observed stack tells how it is."""
        return f"http://127.0.0.1:{self._process_ports[name]}"

    def serves(self) -> bool:
        """Whether a worker is there with a model loaded."""
        try:
            return bool(httpx.get(f"{self.url}/health", timeout=5).json()["status"] == "pass")
        except (httpx.HTTPError, ValueError):
            return False

    def open_without_key(self) -> bool:
        """Whether no API key exists, so that everybody on this machine is served."""
        health: dict[str, str] = httpx.get(f"{self.url}/health", timeout=5).json()
        return health.get("access", "").startswith("loopback only")

    def revive(self) -> None:
        """Start again what has ended by itself: the part of a supervisor, where there is no other."""
        for name, (process, line, settings) in list(self._running.items()):
            if not process.running:
                self._start(name, line, settings)

    def _start_workers(self) -> None:
        """One for each GPU: two processes on one would share its memory, and one on two would use the first alone."""
        gpus = _gpus(self.env)
        for gpu in gpus:
            self.start_worker(f"worker-gpu{gpu}", {"CUDA_VISIBLE_DEVICES": gpu})
        if not gpus:
            self.start_worker()

    def _start_celery(self, name: str, line: list[str], settings: Mapping[str, str] | None) -> Process:
        if self._observed:
            port = self._process_ports[name] = free_port()
            settings = {"CATALOG_PROCESS_PORT": str(port), **(settings or {})}
        return self._start(name, line, settings)

    def _start(self, name: str, line: list[str], settings: Mapping[str, str] | None = None) -> Process:
        """Further `settings` are this process's alone."""
        self._say(f"starting {name}")
        env = {**self.env, **(settings or {})}
        inherited = [self._lock.descriptor] if self._lock is not None and name == "redis" else []
        process = Process(name, line, self.state / f"{name}.log", env, self._root, inherited)
        self._running[name] = (process, line, settings)
        self._exit.callback(process.stop)
        return process


def _gpus(env: Mapping[str, str]) -> list[str]:
    """NVIDIA's devices: those that `CUDA_VISIBLE_DEVICES` allows, or all."""
    if "CUDA_VISIBLE_DEVICES" in env:
        return [gpu for gpu in env["CUDA_VISIBLE_DEVICES"].split(",") if gpu not in ("", "-1")]
    return sorted(device.name.removeprefix("nvidia") for device in Path("/dev").glob("nvidia[0-9]*"))


def bundle_folder() -> Path:
    """What serves on a machine whose registry has no champion."""
    return Path(get_settings().model or local_bundle())


def pick_ports(*, mlflow: bool = True, preferred: bool = True) -> Ports:
    """The documented ports where they are free (Redis 6379, API 5000, MLflow 5001), other free ones elsewhere."""
    return Ports(
        redis=free_port(6379 if preferred else None),
        api=free_port(5000 if preferred else None),
        mlflow=free_port(5001 if preferred else None) if mlflow else None,
    )


def _kept_secret(path: Path) -> str:
    """The master secret of this folder's stack, made at the first start."""
    if not path.exists():
        keep(path, master_secret())
    return path.read_text()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False

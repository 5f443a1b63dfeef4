"""Redis, MLflow, worker, housekeeper, courier, trainer and API, started in order and stopped in reverse."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from pydantic import SecretStr, TypeAdapter

from shared.network.proxies import direct
from shared.settings import ROOT, Settings, get_settings, local_bundle
from shared.stores.opening import open_redis
from shared.stores.state_format import NewerStateError, claim
from shared.tenants.local import LOCAL_TENANT
from shared.tenants.webhook_secrets import signing_secrets
from stack import provision, redis_server
from stack.processes import Process, StartError, free_port
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
        backup: A backup to restore before the processes start that work with what it holds.
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
        backup: str | None = None,
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
        self._backup = backup
        self._process_ports: dict[str, int] = {}
        self._lock: StateLock | None = None
        self._exit = ExitStack()
        self._running: dict[str, tuple[Process, list[str], Mapping[str, str] | None]] = {}
        """By name, as they were started last."""
        self.env = {
            **os.environ,
            **direct(),
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
        if ports.mlflow and (accounts := self.env.get("MLFLOW_ACCOUNTS")):
            provision.mlflow(Path(accounts), state)
            self.env["CATALOG_MLFLOW_PASSWORD"] = (state / "catalog_mlflow_password").read_text()

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
        """Everything, each part as soon as what it needs is there; returns when the model is served.

        Raises `StartError` if a part does not start, or the backup cannot be restored.
        """
        self.start_redis()
        self.start_service()

    def start_service(self) -> None:
        """Everything but Redis; raises `StartError` as `start` does, or if a later release has written the state."""
        self._keep_settings()
        mlflow = self.start_mlflow() if self.ports.mlflow else None
        if self._backup is not None:
            self._await_mlflow(mlflow)
            self._restore(self._backup)
        try:
            with open_redis(Settings(redis_url=self.env["CATALOG_REDIS_URL"])) as redis:
                claim(redis)
        except NewerStateError as error:
            raise StartError(str(error)) from None
        self._start_workers()
        self.start_housekeeper()
        self.start_courier()
        if self._trainer:
            self.start_trainer()
        api = self.start_api()
        self._await_mlflow(mlflow)
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
        self.worker = self._start_celery(name, self._command(Role.WORKER, name=name, app=app), settings)
        return self.worker

    def start_housekeeper(self, settings: Mapping[str, str] | None = None) -> Process:
        schedule = str(self.state / "beat-schedule")
        return self._start_celery("housekeeper", self._command(Role.HOUSEKEEPER, schedule=schedule), settings)

    def start_courier(self, settings: Mapping[str, str] | None = None) -> Process:
        return self._start_celery("courier", self._command(Role.COURIER), settings)

    def start_trainer(self, name: str = "trainer", settings: Mapping[str, str] | None = None) -> Process:
        return self._start_celery(name, self._command(Role.TRAINER, name=name), settings)

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
            return bool(_get(f"{self.url}/health", timeout_s=5).json()["status"] == "pass")
        except (httpx.HTTPError, ValueError):
            return False

    def open_without_key(self) -> bool:
        """Whether no API key exists, so that everybody on this machine is served."""
        health: dict[str, str] = _get(f"{self.url}/health", timeout_s=5).json()
        return health.get("access", "").startswith("loopback only")

    def revive(self) -> None:
        """Start again what has ended by itself: the part of a supervisor, where there is no other."""
        for name, (process, line, settings) in list(self._running.items()):
            if not process.running:
                self._start(name, line, settings)

    def _keep_settings(self) -> None:
        """Write the settings to a file that a shell reads, for commands that act on this stack."""
        settings = {name: value for name, value in self.env.items() if name.startswith("CATALOG_")}
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items())]
        keep(self.state / "settings.env", "".join(lines))

    def _await_mlflow(self, mlflow: Process | None) -> None:
        if mlflow is not None:
            mlflow.wait_until(lambda: _answers(f"http://127.0.0.1:{self.ports.mlflow}/health"), timeout_s=180)

    def _restore(self, backup: str) -> None:
        self._say("restoring a backup")
        line = [sys.executable, "-m", "stack.roles", "restore", backup]
        if subprocess.run(line, env=self.env, cwd=self._root, check=False).returncode != 0:
            raise StartError("the backup was not restored")

    def _start_workers(self) -> None:
        """One for each GPU: two processes on one would share its memory, and one on two would use the first alone."""
        gpus = _gpus(self.env)
        for gpu in gpus:
            self.start_worker(f"worker-gpu{gpu}", {"CUDA_VISIBLE_DEVICES": gpu})
        if not gpus:
            self.start_worker()

    def _command(self, role: Role, **options: str) -> list[str]:
        events = TypeAdapter(bool).validate_python(self.env.get("CATALOG_TASK_EVENTS") or False)
        return command(role, events=events, **options)

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


def _get(url: str, timeout_s: float) -> httpx.Response:
    """Ask a process of this stack; the environment's proxies do not lead to the loopback interface."""
    return httpx.get(url, timeout=timeout_s, trust_env=False)


def _answers(url: str) -> bool:
    try:
        return _get(url, timeout_s=2).is_success
    except httpx.HTTPError:
        return False

"""Runs one training from its request to its verdict, each stage in a process tree of its own."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from redis import Redis, RedisError

from shared.ledger import Lease, StageState, Training, Trainings
from shared.model.bundle import Bundle
from shared.pipeline import dvc_remote as remote
from shared.pipeline.environment import tool_env
from shared.pipeline.params import without_passwords
from shared.pipeline.stages import (
    BUNDLE,
    GATE,
    IMPORTED_TAXONOMY,
    LIST_INPUTS,
    PROGRESS_FILE,
    STAGES,
    VERDICT,
    GateVerdict,
    Progress,
    PromotePolicy,
)
from shared.pipeline.workspace import DVC
from shared.registry.account import client_variables
from shared.registry.waiting import PATIENT
from shared.settings import Settings
from shared.taxonomy import from_json
from shared.taxonomy.writing import digest
from shared.telemetry.tracing import span
from worker.trainings.checkouts import Checkout, check_out, workspace_of, write_conditions
from worker.trainings.process_tree import ProcessTree, end_marked
from worker.trainings.promotion import Promotion, RegistryAwayError

log = logging.getLogger(__name__)

T = TypeVar("T")

_REPRO = (*DVC, "repro", "--single-item")
_POLL_S = 0.2
_REPORT_S = 1.0
_AWAIT_S = 2.0
"""Between two tries to reach MLflow."""
_SHOWN_BYTES, _SHOWN_LINES = 64 * 1024, 1000
_QUOTED_LINES = 15
_SHOWN_REASON = 1000
"""In characters."""


class StageError(RuntimeError):
    """A stage failed; the message holds the end of its output."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


class StoppedError(RuntimeError):
    """The training must stop here: it was ended, another trainer has it, or this trainer is stopping."""


class HeldTraining:
    """A leased training; `stop` is set when the work on it must end."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.stop = threading.Event()


class TrainingRunner:
    """One attempt at a training.

    Args:
        held: The training; the caller renews its lease.
        name: The trainer's name.
    """

    def __init__(self, settings: Settings, redis: "Redis", held: HeldTraining, name: str) -> None:
        self._settings = settings
        self._redis = redis
        self._trainings = Trainings(redis)
        self._held = held
        self._name = name
        self._checkout: Checkout = workspace_of(settings, held.lease.job_id)
        self._trial = False
        self._reported_at = 0.0
        self._read = 0
        """Position up to which the progress file was read."""

    def run(self) -> None:
        """Do everything that no earlier attempt has finished on this machine.

        Raises:
            StageError, WorkspaceError: the training failed.
            StoppedError: nothing more may be reported.
        """
        lease = self._held.lease
        if left := end_marked(lease.job_id):
            log.warning("training %s: %d processes of an earlier attempt were still running", lease.job_id, left)
        training = self._trainings.training(lease.job_id)
        self._trial = training.request.promote is PromotePolicy.NEVER
        # The stage that the last attempt was in begins again, so its progress must be cleared.
        begun = {stage.name: {"state": StageState.RUNNING} for stage in training.stages if stage == training.stage}
        self._report(attempts=lease.attempt, trainer=self._name, stages=begun)
        done = self._prepare_workspace(training)
        repro = [*_REPRO, remote.PULL] if self._run_on_remote(remote.FETCH) else _REPRO
        for stage in STAGES:
            if stage not in done:
                self._stage(stage, [*repro, *self._targets(stage)])
        bundle = Bundle.load(self._checkout.repository / BUNDLE)
        self._report(bundle=bundle.id, data=self._data())
        promotion = Promotion(self._settings, self._redis)
        version = self._version_of(bundle, promotion)
        self._report(version=version)
        verdict = self._judge(training, done, promotion)
        # Raises if the lease was lost, before anything is promoted.
        self._report(verdict=verdict.model_dump(mode="json"))
        self._report(promoted=self._awaited(GATE, lambda: promotion.settle(training, version, verdict)))
        self._run_on_remote(remote.PUSH)
        self._trainings.complete(lease, bundle.id)

    def _targets(self, stage: str) -> Sequence[str]:
        """Return DVC's arguments for a stage: before the import, what lies outside git and DVC is listed."""
        if stage != STAGES[0]:
            return (stage,)
        return (LIST_INPUTS, stage) if self._checkout.lists_inputs else ("--force", stage)

    def _run_on_remote(self, command: Sequence[str]) -> bool:
        """Run a DVC command on the remote; returns whether it succeeded, `False` if no remote is set.

        A training needs no remote: it computes what it could have fetched, and can be pushed later.
        """
        if self._settings.dvc_remote is None:
            return False
        began = self._log_size()
        if status := self._watch("remote", command):
            output = self._log_from(began).strip()[-_SHOWN_REASON:]
            log.warning(
                "training %s: the remote could not be used, status %d: %s", self._held.lease.job_id, status, output
            )
        return status == 0

    def _version_of(self, bundle: Bundle, promotion: Promotion) -> str:
        """Return the bundle's version in the registry; a bundle from DVC's cache may have to be registered first."""
        evaluate = STAGES[-1]
        if (version := self._awaited(evaluate, lambda: promotion.version_of(bundle))) is not None:
            return version
        self._stage(evaluate, [*_REPRO, "--force", evaluate])
        if (version := self._awaited(evaluate, lambda: promotion.version_of(bundle))) is not None:
            return version
        raise StageError(evaluate, f"{evaluate} did not register bundle {bundle.id}")

    def _judge(self, training: Training, done: set[str], promotion: Promotion) -> GateVerdict:
        """Judge the challenger against the champion, as a stage like the others.

        What judges does not come from what is judged: code, conditions and protected set are the operator's, whatever
        revision was trained (`-P`: the workspace's own `training.gate` is not imported).
        """
        champion, verdict = self._awaited(GATE, promotion.champion), self._checkout.repository / VERDICT
        before = training.verdict if GATE in done else None
        if before is not None and before.champion == champion.id:
            return before
        conditions = write_conditions(self._checkout, training.request, self._settings)
        command = [sys.executable, "-P", "-m", "training.gate", "--champion", str(champion.folder)]
        command += ["--output", str(verdict), "--conditions", str(conditions)]
        if (protected := self._settings.protected_set) is not None:
            command += ["--protected-set", protected if "://" in protected else str(Path(protected).resolve())]
        self._stage(GATE, command)
        return GateVerdict.model_validate_json(verdict.read_bytes())

    def _prepare_workspace(self, training: Training) -> set[str]:
        """Make the workspace unless it exists; returns the stages already finished in it."""
        checkout = self._checkout
        if checkout.exists:
            done = {stage.name for stage in training.stages if stage.state is StageState.DONE}
            log.info("training %s resumes after %s", training.job.id, ", ".join(sorted(done)) or "nothing")
        else:
            done = set[str]()
            check_out(checkout, training.request, self._settings)
        self._report(revision=checkout.revision)
        return done

    def _stage(self, stage: str, command: Sequence[str]) -> None:
        """Run the command as a stage of this name; raises `StageError` and `StoppedError`."""
        with span(f"stage {stage}") as step:
            self._report(stages={stage: {"state": StageState.RUNNING}})
            began = self._log_size()
            status = self._watch(stage, command)
            output = self._log_from(began)
            if status:
                end = "\n".join(output.splitlines()[-_QUOTED_LINES:])
                self._report_progress(stage, force=True)
                raise StageError(stage, f"the stage {stage} ended with status {status}:\n{end}")
            cached = stage in STAGES and f"Running stage '{stage}':" not in output
            step.set_attribute("catalog.cached", cached)
            facts = {"data": self._data()} if stage == STAGES[0] else {}
            self._report(stages={stage: {"state": StageState.DONE, "cached": cached}}, log=self._log_tail(), **facts)

    def _watch(self, stage: str, command: Sequence[str]) -> int:
        lease = self._held.lease
        self._checkout.progress.unlink(missing_ok=True)
        self._read = 0
        tree = ProcessTree(
            command, f"{lease.job_id} {lease.attempt}", self._checkout.repository, self._env(), self._checkout.log
        )
        try:
            while (status := tree.poll()) is None:
                if self._held.stop.wait(_POLL_S):
                    raise StoppedError
                self._report_progress(stage)
        finally:
            if tree.poll() is None:
                tree.end()
        return status

    def _env(self) -> dict[str, str]:
        """Return the environment of a stage, which leads from the clone to this machine's services."""
        return {
            **tool_env(self._settings.training_environment),
            "CATALOG_ALLOWED_NETWORKS": json.dumps([str(network) for network in self._settings.allowed_networks]),
            **PATIENT,
            **client_variables(self._settings),
            "CATALOG_MLFLOW_TRACKING_URI": self._settings.mlflow_tracking_uri,
            "CATALOG_REGISTERED_MODEL": self._settings.registered_model,
            "CATALOG_TRIAL": str(self._trial),
            PROGRESS_FILE: str(self._checkout.progress),
            "PYTHONUNBUFFERED": "1",
        }

    def _awaited(self, stage: str, step: Callable[[], T]) -> T:
        """Return the step's result; waits for MLflow, and says so at the stage, unless the training must stop."""
        tries = 0
        while not self._held.stop.is_set():
            try:
                return step()
            except RegistryAwayError as error:
                tries += 1
                log.warning("training %s waits for MLflow, try %d: %s", self._held.lease.job_id, tries, error)
                self._report(stages={stage: {"what": "tries to reach MLflow", "done": tries, "total": tries}})
                self._held.stop.wait(_AWAIT_S)
        raise StoppedError

    # Reporting

    def _report(self, **facts: Any) -> None:
        """Report to the ledger, however long it takes; raises `StoppedError` if the training must stop."""

        def report() -> bool:
            return self._trainings.report(self._held.lease, **facts)

        if not self._until_run_on_remote(report):
            raise StoppedError

    def _until_run_on_remote(self, step: Callable[[], bool]) -> bool:
        """Return the step's result; waits for an unreachable ledger unless the training must stop."""
        while not self._held.stop.is_set():
            try:
                return step()
            except RedisError as error:
                log.warning("training %s: the ledger cannot be reached: %s", self._held.lease.job_id, error)
                self._held.stop.wait(_REPORT_S)
        return False

    def _report_progress(self, stage: str, *, force: bool = False) -> None:
        """Report the progress and output of the stage, at most once per interval unless forced."""
        if not force and time.monotonic() - self._reported_at < _REPORT_S:
            return
        self._reported_at = time.monotonic()
        progress = self._progress()
        change = progress and {"what": progress.what, "done": progress.done, "total": progress.total}
        self._report(stages={stage: change} if change else None, log=self._log_tail())

    def _progress(self) -> Progress | None:
        """Return the newest progress written since the last call."""
        try:
            with self._checkout.progress.open("rb") as file:
                file.seek(self._read)
                written = file.read()
        except FileNotFoundError:
            return None
        complete = written.rpartition(b"\n")[0]
        self._read += len(complete) + 1 if complete else 0
        for line in reversed(complete.splitlines()):
            try:
                return Progress.model_validate_json(line)
            except ValidationError:
                continue
        return None

    def _log_size(self) -> int:
        return self._checkout.log.stat().st_size if self._checkout.log.exists() else 0

    def _log_from(self, position: int) -> str:
        if not self._checkout.log.exists():
            return ""
        with self._checkout.log.open("rb") as file:
            file.seek(max(position, self._log_size() - 4 * _SHOWN_BYTES, 0))
            return without_passwords(file.read().decode(errors="replace"))

    def _log_tail(self) -> str:
        return "\n".join(self._log_from(self._log_size() - _SHOWN_BYTES).splitlines()[-_SHOWN_LINES:])

    def _data(self) -> dict[str, Any]:
        """Return what the training learns from, as far as the stages have run.

        The hashes of the data by path, the labels, the source's changes, and the digest of the taxonomy.
        """
        labels, lock = self._checkout.labels, self._checkout.repository / "dvc.lock"
        stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"] if lock.exists() else {}
        outs = [out for stage in STAGES[:2] for out in stages.get(stage, {}).get("outs", ())]
        last = labels.last and labels.last.isoformat()
        hashes = {out["path"]: out["md5"] for out in outs}
        imported = self._checkout.repository / IMPORTED_TAXONOMY
        return {
            **hashes,
            "labels": {**asdict(labels), "last": last},
            "source": self._checkout.source_changes,
            "taxonomy": digest(from_json(imported.read_bytes())) if imported.exists() else None,
        }

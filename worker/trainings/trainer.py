"""The service of a trainer: runs one training at a time, whose lease the heartbeat renews."""

import logging
import threading

from redis import RedisError

from shared.background import Background
from shared.ledger import JobNotFoundError, Lease, Ledger, Trainings
from shared.pipeline.params import without_passwords
from shared.pipeline.workspace import WorkspaceError
from shared.settings import Settings
from shared.stores.files import StoreUnavailableError
from shared.stores.opening import open_redis
from shared.telemetry.logs import bound
from shared.telemetry.tracing import Facts, SpanKind, span
from shared.telemetry.worker_status import TrainerStatus, announce, withdraw
from worker.process import metrics
from worker.process.heartbeat import Heartbeat
from worker.process.memory import give_memory_back
from worker.trainings.checkouts import prune
from worker.trainings.failures import told
from worker.trainings.full_disk import full_disk
from worker.trainings.run import HeldTraining, StageError, StoppedError, TrainingRunner

log = logging.getLogger(__name__)

_MOST_LOSSES = 3
_END_S = 10.0
_STORE_PAUSE_S = 30.0
"""Pause of a training whose labels cannot be read now."""


class Trainer:
    """One per process. It loads no model: the stages that need one run in processes of their own."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._redis = open_redis(settings)
        self._ledger = Ledger(self._redis)
        self._trainings = Trainings(self._redis)
        self._held: HeldTraining | None = None
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._background = Background("taking trainings")
        self._work = threading.Thread(target=self._take_turns, name="training", daemon=True)
        self._heartbeat = Heartbeat(self._beat)

    def start(self) -> None:
        self._heartbeat.start()
        self._work.start()
        self.wake()  # earlier wake-ups found no trainer

    def wake(self) -> None:
        """Look for a training, now or after the current one."""
        self._woken.set()

    def drain(self) -> None:
        """Take no more trainings, and end the processes of the current one, which another trainer will resume."""
        self._stopped.set()
        self._woken.set()
        if (held := self._held) is not None:
            held.stop.set()

    def stop(self) -> None:
        """Hand back the current training, and withdraw the trainer's status."""
        self.drain()
        self._work.join(_END_S)
        self._heartbeat.stop()
        try:
            withdraw(self._redis, self._name, TrainerStatus)
        except RedisError as error:
            log.warning("the trainer's status is left to expire: %s", error)

    def liveness_problem(self) -> str | None:
        """Why the trainer makes no progress; `None` if it does."""
        return self._heartbeat.problem()

    def _take_turns(self) -> None:
        while not self._stopped.is_set():
            self._woken.wait()
            self._woken.clear()
            with self._background.turn():
                while not self._stopped.is_set() and (lease := self._lease()) is not None:
                    with bound(training=lease.job_id):
                        self._train(lease)

    def _lease(self) -> Lease | None:
        try:
            return self._trainings.lease()
        except RedisError as error:
            log.warning("no training can be taken: %s", error)  # the housekeeper wakes us again
            return None

    def _train(self, lease: Lease) -> None:
        """Run the training; its failure must not end the trainer."""
        held = self._held = HeldTraining(lease)
        if self._stopped.is_set():
            held.stop.set()
        log.info("training %s begins, attempt %d", lease.job_id, lease.attempt)
        try:
            self._announce()
            with metrics.TRAINING_SECONDS.time():
                self._run(held)
            self._prune()
        except RedisError as error:
            log.warning("training %s is left until its lease expires: %s", lease.job_id, error)
        finally:
            self._held = None
            give_memory_back()
            log.info("training %s is no longer held here", lease.job_id)

    def _run(self, held: HeldTraining) -> None:
        lease = held.lease
        try:
            if lease.losses >= _MOST_LOSSES:
                self._fail(lease, f"its trainer vanished {lease.losses} times, so it is not tried again")
                return
            facts: Facts = {"catalog.training": lease.job_id, "catalog.attempt": lease.attempt}
            with span("train", facts, kind=SpanKind.CONSUMER, within=lease.traceparent):
                TrainingRunner(self._settings, self._redis, held, self._name).run()
        except StoppedError:
            log.warning("training %s is stopped here", lease.job_id)
            if self._stopped.is_set():
                self._trainings.release(lease)
        except StageError as error:
            self._fail(lease, full_disk(error, self._settings) or str(error), error.stage)
        except WorkspaceError as error:
            self._fail(lease, full_disk(error, self._settings) or str(error))
        except StoreUnavailableError as error:
            log.warning("training %s begins again in %.0f s: %s", lease.job_id, _STORE_PAUSE_S, error)
            self._ledger.defer(lease, _STORE_PAUSE_S, lost=False)
        except RedisError:
            raise
        except Exception as error:
            log.exception("training %s failed in the trainer", lease.job_id)
            message = full_disk(error, self._settings) or f"the trainer failed: {type(error).__name__}: {error}"
            self._fail(lease, message)

    def _fail(self, lease: Lease, message: str, stage: str | None = None) -> None:
        """End the training. The operator's log has the message with its folders, the client's record without them."""
        log.error("training %s failed: %s", lease.job_id, without_passwords(message))
        self._trainings.fail(lease, told(message), stage)

    def _prune(self) -> None:
        def ended(job_id: str) -> bool:
            try:
                return self._ledger.job(job_id).ended
            except JobNotFoundError:
                return True

        try:
            prune(self._settings, ended)
        except OSError as error:
            log.warning("old workspaces cannot be removed: %s", error)

    def _beat(self) -> None:
        self._announce()
        held = self._held
        if held is not None and not self._trainings.report(held.lease):
            held.stop.set()

    def _announce(self) -> None:
        held = self._held
        announce(self._redis, TrainerStatus(self._name, held.lease.job_id if held else None))

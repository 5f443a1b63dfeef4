"""What a trainer does when it is woken up: one training at a time, and a heartbeat that keeps its lease."""

import logging
import threading

from redis import RedisError

from shared.ledger import JobNotFoundError, Lease, Ledger, Trainings
from shared.pipeline.workspace import WorkspaceError
from shared.settings import Settings
from shared.stores.opening import open_redis
from shared.telemetry.logs import bound
from shared.telemetry.tracing import Facts, SpanKind, span
from shared.telemetry.worker_status import TrainerStatus, announce, withdraw
from worker import metrics
from worker.heartbeat import Heartbeat
from worker.trainings.checkouts import prune
from worker.trainings.run import HeldTraining, StageError, StoppedError, TrainingRunner

log = logging.getLogger(__name__)

_MOST_LOSSES = 3
_END_S = 10.0


class Trainer:
    """One per process. Loads no model: what needs one runs in the stages' processes."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._redis = open_redis(settings)
        self._ledger = Ledger(self._redis)
        self._trainings = Trainings(self._redis)
        self._held: HeldTraining | None = None
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._work = threading.Thread(target=self._take_turns, name="training", daemon=True)
        self._heartbeat = Heartbeat(self._beat)

    def start(self) -> None:
        self._heartbeat.start()
        self._work.start()
        self.wake()  # the wake-ups that came before found nobody

    def wake(self) -> None:
        """Look for a training, unless one is in hand."""
        self._woken.set()

    def drain(self) -> None:
        """Take no more, and end the processes of the one in hand; another trainer goes on with it."""
        self._stopped.set()
        self._woken.set()
        if (held := self._held) is not None:
            held.stop.set()

    def stop(self) -> None:
        """Hand back what is in hand, and say goodbye."""
        self.drain()
        self._work.join(_END_S)
        self._heartbeat.stop()
        try:
            withdraw(self._redis, self._name, TrainerStatus)
        except RedisError as error:
            log.warning("the trainer's status is left to run out: %s", error)

    def liveness_problem(self) -> str | None:
        """Why the trainer makes no progress; `None` if it does."""
        return self._heartbeat.problem()

    def _take_turns(self) -> None:
        while not self._stopped.is_set():
            self._woken.wait()
            self._woken.clear()
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
        """Whatever goes wrong is the training's end, and not ours."""
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
            log.warning("training %s is left to its lease: %s", lease.job_id, error)
        finally:
            self._held = None
            log.info("training %s is out of hand", lease.job_id)

    def _run(self, held: HeldTraining) -> None:
        lease = held.lease
        try:
            if lease.losses >= _MOST_LOSSES:
                self._trainings.fail(lease, f"its trainer vanished {lease.losses} times: it is not tried again")
                return
            facts: Facts = {"catalog.training": lease.job_id, "catalog.attempt": lease.attempt}
            with span("train", facts, kind=SpanKind.CONSUMER, within=lease.traceparent):
                TrainingRunner(self._settings, self._redis, held, self._name).run()
        except StoppedError:
            log.warning("training %s stops here", lease.job_id)
            if self._stopped.is_set():
                self._trainings.release(lease)
        except StageError as error:
            self._trainings.fail(lease, str(error), error.stage)
        except WorkspaceError as error:
            self._trainings.fail(lease, str(error))
        except RedisError:
            raise
        except Exception as error:
            log.exception("training %s failed", lease.job_id)
            self._trainings.fail(lease, f"the trainer could not go on: {type(error).__name__}: {error}")

    def _prune(self) -> None:
        def ended(job: str) -> bool:
            try:
                return self._ledger.job(job).ended
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

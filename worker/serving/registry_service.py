"""Changes MLflow's model registry, one change at a time, and publishes its state in Redis after each."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from mlflow.exceptions import MlflowException
from redis import Redis
from redis.exceptions import LockError

from shared.ledger import PromiseFigures, Promises
from shared.model.bundle import Bundle
from shared.promise import SURE, PromiseState
from shared.redis_access import PREFIX
from shared.registry import mlflow as registry
from shared.registry.mlflow import RegistryError
from shared.registry.state import CHAMPION, ChangeAnswer, ChangeKind, ChangeRequest, Models, RegistryState
from shared.settings import Settings
from shared.tenants.admin_log import AdminAct, AdminLog
from worker.serving.bundles import Bundles

log = logging.getLogger(__name__)

_LOCK = f"{PREFIX}models:lock"
_LOCK_S, _PATIENCE_S = 60, 10


class RegistryService:
    """The model registry and its copy in Redis."""

    def __init__(self, settings: Settings, redis: "Redis") -> None:
        self._settings = settings
        self._redis = redis
        self._models = Models(redis)
        self._bundles = Bundles(settings, redis)
        self._admin_log = AdminLog(redis)
        self._promises = Promises(redis)
        self._told = ("", "")
        """The version that was told last how the promise stands, and in which words."""

    def promote(self, version: str, by: str, why: str) -> RegistryState:
        """Make this version the champion.

        Raises:
            RegistryError: there is no such version.
            MlflowException, OSError: the registry cannot be reached.
        """
        state = self._published(lambda: registry.promote(version, by, why, self._settings.registered_model))
        self._admin_log.record(
            AdminAct.MODEL_PROMOTED, by, {"version": version, "gate": _gate(state, version), "why": why}
        )
        return state

    def rollback(self, by: str, why: str) -> RegistryState:
        """Make the previous champion the champion again; raises the same as `promote`, also if there is none."""
        state = self._published(lambda: registry.rollback(by, why, self._settings.registered_model))
        self._admin_log.record(AdminAct.MODEL_ROLLED_BACK, by, {"why": why})
        return state

    def refresh(self) -> RegistryState:
        """Bring the copy in Redis up to date; raises the same as `promote`."""
        return self._published(self._read)

    def champion(self) -> Bundle:
        """Return the bundle that should serve according to the copy: the champion, or else the local bundle.

        Raises:
            BundleError: it cannot be fetched, or is damaged.
        """
        return self._bundles.fetch(self._bundles.wanted()[0])

    def refresh_models(self) -> None:
        """Do the same as `refresh`, but leave the copy as it is if the registry cannot be reached.

        The version in service is told how its promise stands.

        A refused account is reported for `/health`: only a person can mend it.
        """
        trouble = None
        try:
            self._tell_promise(self.refresh())
        except (MlflowException, RegistryError, OSError) as error:
            log.warning("the registry cannot be read, its copy stays as it was: %s", registry.reason(error))
            trouble = registry.reason(error) if registry.is_refused(error) else None
        self._models.report_trouble(trouble)

    def change_model(self, ticket: str) -> None:
        """Carry out the requested change and answer its waiting client, with the problem if it fails."""
        request = self._models.take(ticket)
        if request is None:
            log.info("ticket %s came too late: its client no longer waits", ticket)
            return
        try:
            answer = ChangeAnswer(state=self._done(request))
        except RegistryError as error:
            answer = ChangeAnswer(state=None, problem=str(error), refused=True)
        except Exception as error:
            log.exception("%s was not done", request)
            problem = registry.reason(error) if registry.is_refused(error) else f"{type(error).__name__}: {error}"
            answer = ChangeAnswer(state=None, problem=problem)
        self._models.answer(ticket, answer)

    def _tell_promise(self, state: RegistryState) -> None:
        champion, figures = state.aliases.get(CHAMPION), self._promises.noted()
        if champion is not None and figures and self._told != (told := (champion, promise_note(figures))):
            registry.record_promise(*told, self._settings.registered_model)
            self._told = told

    def _done(self, request: ChangeRequest) -> RegistryState:
        if request.kind is ChangeKind.ROLLBACK:
            return self.rollback(request.by, request.why)
        if request.version is None:
            raise RegistryError("a promotion must name a version")
        return self.promote(request.version, request.by, request.why)

    def _read(self) -> RegistryState:
        database = registry.sqlite_file(self._settings.mlflow_tracking_uri)
        if database is not None and not database.exists():  # reading would create the file
            if (copy := self._models.copy()) is not None and copy.state.versions:
                raise FileNotFoundError(f"{database} is gone, and there were versions in it")
            return RegistryState(name=self._settings.registered_model)
        return registry.state(self._settings.registered_model)

    def _published(self, step: Callable[[], RegistryState]) -> RegistryState:
        """Run the step and publish its state, under a lock: a state read earlier must not overwrite a newer one."""
        try:
            with self._redis.lock(_LOCK, timeout=_LOCK_S, blocking_timeout=_PATIENCE_S):
                state = step()
                self._models.publish(state)
                return state
        except LockError as error:
            raise RegistryError("another change of the registry is under way: try again in a minute") from error


def promise_note(figures: Sequence[PromiseFigures]) -> str:
    """Return how the tenants' promises stand, in a sentence for the page of the version in service."""
    states = Counter(one.state for one in figures)
    tenants = ", ".join(f"{state.value} for {states[state.value]:,}" for state in PromiseState if states[state.value])
    note = f"The promise of precise answers is, by tenants: {tenants}."
    audited = [one for one in figures if one.audited]
    if not audited:
        return f"{note} No accepted answer was audited in the last 13 weeks."
    lowest = min(audited, key=lambda one: one.at_least)
    return (
        f"{note} At least {lowest.at_least:.1%} of the accepted answers are right ({SURE:.0%} sure) for the tenant "
        f"with the lowest bound, by {lowest.audited:,} audited ones."
    )


def _gate(state: RegistryState, version: str) -> str:
    """What the gate said of the version, in a word: an administrator may promote one against its verdict."""
    known = state.find(version)
    if known is None or known.verdict is None:
        return "not judged"
    return "passed" if known.verdict.passed else "refused"

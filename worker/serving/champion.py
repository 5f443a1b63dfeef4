"""Keeps a worker serving the right bundle: the registry's champion, or the one that the settings pin.

Redis announces a change at once; a worker that missed it looks every few seconds. If a new bundle fails, the one in
service stays.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis import Redis

from shared.background import Background
from shared.model.bundle import BundleError, UnreachableError
from shared.registry.state import Listener, Models
from shared.settings import Settings
from worker.process.memory import give_memory_back, keep_weights_apart
from worker.serving import engine_metrics
from worker.serving.bundles import Bundles, Wanted
from worker.serving.engine import Engine
from worker.serving.loading import make_ready

log = logging.getLogger(__name__)

_RETRY_S = 5.0
"""Pause between attempts while there is no model, or no Redis."""
_LOOK_S = 10.0
_UNREACHABLE_S = 30.0
"""Pause before a bundle that could not be fetched is fetched again."""


@dataclass(frozen=True)
class _Refused:
    """A bundle that should serve and cannot."""

    wanted: Wanted
    again_at: float
    """When to try again, by the monotonic clock; infinite: only after another bundle was wanted."""


class Champion:
    """The engine in service, followed in a thread of its own.

    Args:
        hand_over: Called with each engine that is to serve; returns once the previous one is no longer in use.
    """

    def __init__(
        self, settings: Settings, redis: "Redis", hand_over: Callable[[Engine], None] = lambda _: None
    ) -> None:
        self._settings = settings
        self._hand_over = hand_over
        self._models = Models(redis)
        self._bundles = Bundles(settings, redis)
        self._serving: Wanted | None = None
        self._refused: _Refused | None = None
        self._stopped = threading.Event()
        self._background = Background("following the champion")
        self._thread = threading.Thread(target=self._run, name="champion", daemon=True)
        self.engine: Engine | None = None
        """`None` until a bundle is loaded and verified."""
        self.reason: str | None = None
        """Human-readable reason for the choice of its runtime."""
        self.problem: str | None = "loading"
        """Human-readable reason why there is no engine."""
        self.warning: str | None = None
        """Human-readable reason why the bundle in service is not the one that should serve."""

    def start(self) -> None:
        keep_weights_apart()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self.engine is not None:
            self.engine.close()

    def _run(self) -> None:
        """Follow the champion; an outage of Redis, or any other error, is waited out."""
        if self._bundles.pinned:
            while not self._stopped.is_set():
                with self._background.turn():
                    if self._look():
                        return
                self._stopped.wait(_RETRY_S)
        while not self._stopped.is_set():
            with self._background.turn(), self._models.listening() as listener:
                self._wait_for_changes(listener)
            self._stopped.wait(_RETRY_S)

    def _wait_for_changes(self, listener: Listener) -> None:
        """Look whenever the registry changes, and now and then, until stopped; raises `RedisError`."""
        while not self._stopped.is_set():
            before, served = self._serving, self._look()
            self._background.goes_on()
            if self._serving != before:
                give_memory_back()
            listener.wait(_LOOK_S if served else _RETRY_S)

    def _look(self) -> bool:
        """Bring the wanted bundle into service; returns whether any bundle serves.

        Raises:
            RedisError: it is not known which bundle should serve.
        """
        wanted = self._bundles.wanted()
        if self.engine is None:
            self._begin(wanted)
        else:
            self._follow(wanted[0], self.engine)
        return self.engine is not None

    def _begin(self, candidates: Sequence[Wanted]) -> None:
        """Serve the first candidate that works: any model is better than none."""
        problems = []
        for wanted in candidates:
            if (error := self._tried(wanted, None)) is None:
                break
            problems.append((wanted, error))
        if not problems:
            return
        if self.engine is None:
            problem = str(problems[0][1])
            if problem != self.problem:
                log.warning("no model to serve: %s", problem)
            self.problem = problem
        else:
            self._refuse(*problems[0], self.engine)

    def _follow(self, wanted: Wanted, engine: Engine) -> None:
        if wanted == self._serving or wanted.bundle == engine.bundle.id:
            self._serving, self._refused, self.warning = wanted, None, None
        elif not self._is_out(wanted) and (error := self._tried(wanted, engine)) is not None:
            self._refuse(wanted, error, engine)

    def _is_out(self, wanted: Wanted) -> bool:
        refused = self._refused
        return refused is not None and refused.wanted == wanted and time.monotonic() < refused.again_at

    def _tried(self, wanted: Wanted, beside: Engine | None) -> Exception | None:
        """Bring the bundle into service; returns the error if that fails."""
        try:
            bundle = self._bundles.fetch(wanted)
            if wanted.bundle not in (None, bundle.id):
                return BundleError(f"{wanted.place} is bundle {bundle.id}, not {wanted.bundle}: train it again")
            engine, reason = make_ready(bundle, self._settings, beside)
        except (BundleError, ImportError, ValueError) as error:
            return error
        except Exception as error:
            log.exception("%s cannot be loaded", wanted)
            return error
        log.info("serving bundle %s on %s (%s)", bundle.id, engine.runtime.name, reason)
        log.info("micro-batches of %d pictures, %.1f pictures/s", engine.micro_batch, engine.pictures_per_s)
        self.engine, self.reason, self.problem = engine, reason, None
        self._serving, self._refused, self.warning = wanted, None, None
        self._hand_over(engine)
        if beside is not None:
            beside.close()
            log.info("bundle %s is unloaded", beside.bundle.id)
            engine_metrics.SWAPS.inc()
        return None

    def _refuse(self, wanted: Wanted, error: Exception, engine: Engine) -> None:
        """Keep the bundle in service, and raise an alarm once for each reason."""
        pause = _UNREACHABLE_S if isinstance(error, UnreachableError) else float("inf")
        self._refused = _Refused(wanted, time.monotonic() + pause)
        warning = f"{wanted} should serve and cannot, bundle {engine.bundle.id} stays in service: {_message(error)}"
        if warning != self.warning:
            log.critical("%s", warning)
            engine_metrics.REFUSALS.inc()
        self.warning = warning


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, BundleError) else f"{type(error).__name__}: {error}"

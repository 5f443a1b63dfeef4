"""Which bundle this worker serves: loaded and warmed up in the background, tried again until there is one."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from shared.model import runtimes
from shared.model.bundle import Bundle, BundleError
from shared.settings import REGISTRY_SCHEME, Settings, local_bundle
from worker.engine import Engine

log = logging.getLogger(__name__)

_RETRY_S = 5.0


class Champion:
    """Args: on_ready: called by its thread once there is an engine."""

    def __init__(self, settings: Settings, on_ready: Callable[[Engine], None] = lambda _: None) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._load_until_there, name="champion", daemon=True)
        self.engine: Engine | None = None
        """`None` until a bundle is loaded and has answered once."""
        self.reason: str | None = None
        """Why it computes on the runtime that it computes on, for people."""
        self.problem: str | None = "loading"
        """Why there is none, for people."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self.engine is not None:
            self.engine.close()

    def _load_until_there(self) -> None:
        while not self._stopped.is_set():
            try:
                engine = self._load()
            except (BundleError, ImportError, ValueError) as error:
                if str(error) != self.problem:
                    log.warning("no model to serve: %s", error)
                self.problem = str(error)
                self._stopped.wait(_RETRY_S)
            except Exception as error:
                log.exception("the model cannot be loaded")
                self.problem = f"{type(error).__name__}: {error}"
                self._stopped.wait(_RETRY_S)
            else:
                self.engine, self.problem = engine, None
                self._on_ready(engine)
                return

    def _load(self) -> Engine:
        bundle = _fetch(self._settings)
        runtime, self.reason = runtimes.choose(bundle, self._settings.runtime)
        engine = Engine(bundle, runtime, self._settings.micro_batch)
        engine.warm_up()
        log.info("serving bundle %s on %s (%s)", bundle.version, runtime.name, self.reason)
        log.info("micro-batches of %d pictures, %.1f pictures/s", engine.micro_batch, engine.pictures_per_s)
        return engine


def _fetch(settings: Settings) -> Bundle:
    model = settings.model or str(local_bundle())
    if not model.startswith(REGISTRY_SCHEME):
        return Bundle.load(Path(model))
    from shared.registry import fetch  # MLflow takes seconds to import, which a folder need not wait for

    return fetch(model, settings.model_cache)

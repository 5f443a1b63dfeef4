"""Which bundle this worker serves: loaded and warmed up in the background, tried again until there is one."""

import logging
import threading

from shared.model import runtimes
from shared.model.bundle import BundleError
from shared.registry import fetch
from shared.settings import Settings
from worker.engine import Engine

log = logging.getLogger(__name__)

_RETRY_S = 5.0


class Champion:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
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
                return

    def _load(self) -> Engine:
        bundle = fetch(self._settings.model, self._settings.model_cache)
        runtime, self.reason = runtimes.choose(bundle, self._settings.runtime)
        engine = Engine(bundle, runtime, self._settings.micro_batch)
        engine.warm_up()
        log.info("serving bundle %s on %s (%s)", bundle.version, runtime.name, self.reason)
        log.info("micro-batches of %d pictures, %.1f pictures/s", engine.micro_batch, engine.pictures_per_s)
        return engine

"""Which bundle should serve, and where its files come from.

MLflow runs in a process of its own: a worker needs it for a few seconds a month, and it occupies hundreds of MB.
"""

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from shared.model.bundle import Bundle, BundleError, UnreachableError, is_bundle_id
from shared.registry.account import client_variables
from shared.registry.state import CHAMPION, PREVIOUS, Models, ModelVersion
from shared.settings import REGISTRY_SCHEME, ROOT, Settings, local_bundle

log = logging.getLogger(__name__)

_FETCH_S = 600
_TRY_AGAIN = 75  # EX_TEMPFAIL


@dataclass(frozen=True)
class Wanted:
    """A bundle by its place."""

    place: str
    """A folder, or a URI in MLflow's registry."""
    bundle: str | None = None
    """Its id, where that is known beforehand."""

    def __str__(self) -> str:
        return f"{self.place} (bundle {self.bundle})" if self.bundle else self.place


class Bundles:
    """The bundles that may serve.

    Args:
        redis: Holds the copy of the registry.
    """

    def __init__(self, settings: Settings, redis: "Redis") -> None:
        self._settings = settings
        self._models = Models(redis)
        self._local = local_bundle()
        """Resolved once, because a training on this machine may replace the bundle while this process runs."""

    @property
    def pinned(self) -> bool:
        """Whether the settings name the bundle, so that the registry does not matter."""
        return self._settings.model is not None

    def wanted(self) -> list[Wanted]:
        """Return what should serve, followed by what may serve instead: the previous champion, then the local bundle.

        Raises:
            RedisError: the copy of the registry cannot be read.
        """
        if self._settings.model is not None:
            return [Wanted(self._settings.model)]
        local = Wanted(str(self._local))
        copy = self._models.copy()
        if copy is None or (champion := copy.state.aliased(CHAMPION)) is None:
            return [local]
        previous = copy.state.aliased(PREVIOUS)
        return [self._registered(version) for version in (champion, previous) if version] + [local]

    def fetch(self, wanted: Wanted) -> Bundle:
        """Return the verified bundle.

        Raises:
            UnreachableError: it cannot be fetched now; try again later.
            BundleError: it is damaged, or not the expected bundle.
        """
        if not wanted.place.startswith(REGISTRY_SCHEME):
            return Bundle.load(Path(wanted.place))
        if wanted.bundle and (known := self._known(wanted.bundle)):
            return known
        return Bundle.load(self._fetched(wanted.place))

    def _registered(self, version: ModelVersion) -> Wanted:
        return Wanted(f"{REGISTRY_SCHEME}{self._settings.registered_model}/{version.version}", version.bundle or None)

    def _known(self, bundle_id: str) -> Bundle | None:
        """Return a bundle fetched earlier; `None` if there is none, it is damaged, or no bundle has such a name."""
        if not is_bundle_id(bundle_id):
            return None
        folder = self._settings.model_cache / bundle_id
        try:
            bundle = Bundle.load(folder)
        except BundleError as error:
            if folder.exists():
                log.warning("%s is fetched again: %s", folder, error)
            return None
        folder.touch()  # the cache keeps the bundles used last
        return bundle

    def _fetched(self, uri: str) -> Path:
        command = [sys.executable, "-m", "shared.registry.mlflow", uri, str(self._settings.model_cache)]
        env = {
            **os.environ,
            **client_variables(self._settings),
            "CATALOG_MLFLOW_TRACKING_URI": self._settings.mlflow_tracking_uri,
        }
        try:
            ran = subprocess.run(  # noqa: S603  # ours
                command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=_FETCH_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnreachableError(f"{uri} cannot be fetched: {error}") from error
        if ran.returncode == 0:
            return Path(ran.stdout.strip().splitlines()[-1])
        message = (ran.stderr.strip().splitlines() or [f"ended with status {ran.returncode}"])[-1]
        raise UnreachableError(message) if ran.returncode == _TRY_AGAIN else BundleError(message)

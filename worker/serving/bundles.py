"""Which bundle should serve, and where its files come from.

MLflow is asked by a process of its own: a worker needs it for a few seconds a month, and would keep its hundreds of MB.
"""

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from shared.model.bundle import Bundle, BundleError, UnreachableError
from shared.registry.state import CHAMPION, PREVIOUS, Models, ModelVersion
from shared.settings import REGISTRY_SCHEME, ROOT, Settings, local_bundle

log = logging.getLogger(__name__)

_FETCH_S = 600
_TRY_AGAIN = 75  # EX_TEMPFAIL


@dataclass(frozen=True)
class Wanted:
    """A bundle by its place."""

    place: str
    """A folder, or a URI of MLflow's registry."""
    bundle: str | None = None
    """Its id, where that is known beforehand."""

    def __str__(self) -> str:
        return f"{self.place} (bundle {self.bundle})" if self.bundle else self.place


class Bundles:
    """Args: redis: where the copy of the registry lies."""

    def __init__(self, settings: Settings, redis: "Redis") -> None:
        self._settings = settings
        self._models = Models(redis)
        self._local = local_bundle()
        """As it was at the start: a training on this machine that replaces it must not be followed half way."""

    @property
    def pinned(self) -> bool:
        """The settings name the bundle, whatever the registry says."""
        return self._settings.model is not None

    def wanted(self) -> list[Wanted]:
        """What should serve, and what else may where that cannot: the former champion, the bundle on this machine.

        Raises:
            RedisError: nobody knows.
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
        """Verified.

        Raises:
            UnreachableError: try again later.
            BundleError: it is damaged, or not what it should be.
        """
        if not wanted.place.startswith(REGISTRY_SCHEME):
            return Bundle.load(Path(wanted.place))
        if wanted.bundle and (known := self._known(wanted.bundle)):
            return known
        return Bundle.load(self._fetched(wanted.place))

    def _registered(self, version: ModelVersion) -> Wanted:
        return Wanted(f"{REGISTRY_SCHEME}{self._settings.registered_model}/{version.version}", version.bundle or None)

    def _known(self, bundle_id: str) -> Bundle | None:
        """One that was fetched before needs no MLflow; a damaged one is fetched anew."""
        folder = self._settings.model_cache / bundle_id
        try:
            bundle = Bundle.load(folder)
        except BundleError as error:
            if folder.exists():
                log.warning("%s is fetched anew: %s", folder, error)
            return None
        folder.touch()  # the bundles that were asked for last are kept
        return bundle

    def _fetched(self, uri: str) -> Path:
        command = [sys.executable, "-m", "shared.registry.mlflow", uri, str(self._settings.model_cache)]
        env = {**os.environ, "CATALOG_MLFLOW_TRACKING_URI": self._settings.mlflow_tracking_uri}
        try:
            ran = subprocess.run(  # noqa: S603  # ours
                command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=_FETCH_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnreachableError(f"{uri} cannot be fetched: {error}") from error
        if ran.returncode == 0:
            return Path(ran.stdout.strip().splitlines()[-1])
        said = (ran.stderr.strip().splitlines() or [f"ended with status {ran.returncode}"])[-1]
        raise UnreachableError(said) if ran.returncode == _TRY_AGAIN else BundleError(said)

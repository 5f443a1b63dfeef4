"""What becomes of a training's model: found in the registry, held against the champion, it may take its place."""

from redis import Redis

from shared.ledger import Training
from shared.model.bundle import Bundle
from shared.pipeline.stages import GateVerdict, PromotePolicy
from shared.settings import Settings


class Promotion:
    """Of one training. Args: redis: a client that does not decode responses."""

    def __init__(self, settings: Settings, redis: "Redis") -> None:
        from worker.serving.registry_service import (
            RegistryService,  # MLflow takes memory, which an idle trainer need not have
        )

        self._registry = RegistryService(settings, redis)

    def version_of(self, bundle: Bundle) -> str | None:
        """Its number in the registry; `None`: the registry does not know it."""
        versions = self._registry.refresh().versions  # the newest first
        return next((known.version for known in versions if known.bundle == bundle.id), None)

    def champion(self) -> Bundle:
        """The bundle in service."""
        return self._registry.champion()

    def settle(self, training: Training, version: str, verdict: GateVerdict) -> bool:
        """Promote the version where that was asked for and the gate lets it; whether it was."""
        asked = training.request.promote is PromotePolicy.AUTO
        if not asked or not verdict.passed or verdict.challenger == verdict.champion:
            self._registry.refresh()  # so that the verdict, which the gate has left in MLflow, is seen at once
            return False
        by = f"training {training.job.id} of {training.job.tenant}"
        self._registry.promote(version, by, f"it passed the gate: {verdict.detail}")
        return True

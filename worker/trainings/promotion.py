"""Decides whether the model of a training becomes the champion."""

from collections.abc import Callable
from typing import TypeVar

from redis import Redis
from redis.exceptions import LockError

from shared.ledger import Training
from shared.model.bundle import Bundle
from shared.pipeline.stages import GateVerdict, PromotePolicy
from shared.settings import Settings

T = TypeVar("T")


class RegistryAwayError(RuntimeError):
    """MLflow does not answer now, or refuses the account."""


class Promotion:
    """The promotion of one training's model. Each method raises `RegistryAwayError`, after which it can be repeated."""

    def __init__(self, settings: Settings, redis: "Redis") -> None:
        from worker.serving.registry_service import (
            RegistryService,  # MLflow takes memory that an idle trainer does not need
        )

        self._registry = RegistryService(settings, redis)

    def version_of(self, bundle: Bundle) -> str | None:
        """Return the bundle's version in the registry; `None` if it is not registered."""
        versions = self._answered(self._registry.refresh).versions  # the newest first
        return next((known.version for known in versions if known.bundle == bundle.id), None)

    def champion(self) -> Bundle:
        """Return the bundle in service.

        Raises:
            BundleError: it cannot be fetched although MLflow answers, or is damaged.
        """
        self._answered(self._registry.refresh)
        return self._registry.champion()

    def settle(self, training: Training, version: str, verdict: GateVerdict) -> bool:
        """Promote the version if the request says so and the gate passed it; returns whether it was promoted.

        A first model, which was compared with no champion, is promoted by a person.
        """
        requested = training.request.promote is PromotePolicy.AUTO
        compared = verdict.champion is not None and verdict.champion != verdict.challenger
        if not requested or not verdict.passed or not compared:
            self._answered(self._registry.refresh)  # shows the verdict, which the gate has logged to MLflow, at once
            return False
        by = f"training {training.job.id} of {training.job.tenant}"
        self._answered(lambda: self._registry.promote(version, by, f"it passed the gate: {verdict.detail}"))
        return True

    @staticmethod
    def _answered(step: Callable[[], T]) -> T:
        from shared.registry.mlflow import is_away, is_refused, reason

        try:
            return step()
        except Exception as error:
            # A courier that waits for MLflow holds the registry's lock meanwhile. A refused account is the operator's
            # to mend, and no reason to lose a training.
            if is_away(error) or is_refused(error) or isinstance(error.__cause__, LockError):
                raise RegistryAwayError(reason(error)) from error
            raise

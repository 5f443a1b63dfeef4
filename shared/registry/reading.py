"""What MLflow's registry holds, read as a client's request is: any program that reaches MLflow can change its tags.

What has not the expected form is left out, with one warning, and the rest counts: a wrong tag must not keep a model
from being promoted. No path is made of what is read here, except of a bundle's name.
"""

import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from mlflow.entities.model_registry import ModelVersion as Registered
from pydantic import ValidationError

from shared.model.bundle import is_bundle_id
from shared.pipeline.stages import GateVerdict
from shared.registry.state import ChampionChange, ModelVersion

log = logging.getLogger(__name__)

BUNDLE, VERDICT, FIGURES, CHANGE = "bundle", "gate.verdict", "test.", "change."
"""Tags of a version, except the last: each change of the champion is a tag of the registered model."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_LONGEST_VERDICT = 1_000_000
"""In characters; a real one has some thousand."""


def version_number(text: object) -> str | None:
    """Return a version's number as text; `None` if it is none."""
    return str(text) if _NUMBER.fullmatch(str(text)) else None


def run_of(version: Registered) -> str | None:
    """Return the id of the run that made the version; `None` if it names none."""
    return version.run_id if isinstance(version.run_id, str) and _RUN_ID.fullmatch(version.run_id) else None


def read_aliases(aliases: Mapping[str, object]) -> dict[str, str]:
    """Return the version of each alias."""
    numbers = {alias: version_number(version) for alias, version in aliases.items()}
    return {alias: number for alias, number in numbers.items() if number is not None}


def read_version(version: Registered) -> ModelVersion | None:
    """Return the version without the tags that have a wrong form; `None` if it has no number."""
    if (number := version_number(version.version)) is None:
        return None
    tags, where = version.tags, f"version {number} of {version.name}"
    bundle = tags.get(BUNDLE, "")
    if bundle and not is_bundle_id(bundle):
        _warn(f"{where}: the tag {BUNDLE} is not the name of a bundle, so it is ignored")
        bundle = ""
    return ModelVersion(
        version=number,
        bundle=bundle,
        run_id=run_of(version),
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        figures=_figures(tags, where),
        verdict=_verdict(tags, where),
    )


def read_history(tags: Mapping[str, str]) -> tuple[ChampionChange, ...]:
    """Return the changes of the champion that the registered model's tags record, the newest first."""
    changes = (_change(key, tags[key]) for key in sorted(tags, reverse=True) if key.startswith(CHANGE))
    return tuple(change for change in changes if change is not None)


def change_tag(change: ChampionChange) -> str:
    """Name the tag of a change such that tags sort by time."""
    return change.at.strftime(f"{CHANGE}%Y-%m-%dT%H:%M:%S.%fZ")


def _figures(tags: Mapping[str, str], where: str) -> dict[str, float]:
    figures = dict[str, float]()
    for key in sorted(key for key in tags if key.startswith(FIGURES)):
        try:
            value = float(tags[key])
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            figures[key] = value
        else:
            _warn(f"{where}: the tag {key} is not a number, so it is ignored")
    return figures


def _verdict(tags: Mapping[str, str], where: str) -> GateVerdict | None:
    if (text := tags.get(VERDICT)) is None:
        return None
    try:
        verdict = GateVerdict.model_validate_json(text) if len(text) <= _LONGEST_VERDICT else None
    except ValidationError:
        verdict = None
    # Infinite figures cannot be written into the copy of the registry.
    if verdict is None or not all(math.isfinite(value) for check in verdict.checks for value in check.figures.values()):
        _warn(f"{where}: the tag {VERDICT} holds no verdict of the gate, so it counts as not judged")
        return None
    return verdict


def _change(key: str, text: str) -> ChampionChange | None:
    try:
        change = ChampionChange.model_validate_json(text)
        known = change_tag(change) == key
    except ValueError:  # pydantic's error, or a year that has no text
        known = False
    if not known:
        _warn(f"the registered model's tag {key} records no change of the champion, so it is ignored")
        return None
    return change


@lru_cache(1000)
def _warn(message: str) -> None:
    """Log the message once: the registry is read every 30 s."""
    log.warning("MLflow's registry, %s", message)

"""How the catalogue moves away from what each model was validated on."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from api.access.authentication import ObserveCaller
from api.dependencies import StoresDep
from api.drift.alerts import alerts
from api.drift.render import alert_out, model_drift_out
from api.drift.schemas import DriftOut

router = APIRouter(prefix="/v1/drift", tags=["observation"])


@router.get("")
def drift(
    stores: StoresDep,
    _: ObserveCaller,
    days: Annotated[int, Query(ge=1, le=366, description="How many, today included.")] = 7,
    model: Annotated[str | None, Query(max_length=64, description="A bundle's version; all by default.")] = None,
) -> DriftOut:
    """Per model and day, how items and answers differ from the validation split's, and how many are likely to be right.

    All tenants together. An alert proposes a training; it starts none.
    """
    today, kept = stores.drift.today(), stores.drift.read()
    first = today - timedelta(days=days - 1)
    chosen = [found for found in kept if model in (None, found.model) and found.days[-1].last >= first]
    return DriftOut(
        today=today,
        alerts=[alert_out(alert) for alert in alerts(kept, today) if model in (None, alert.model)],
        models=[model_drift_out(found, first, today) for found in chosen],
    )

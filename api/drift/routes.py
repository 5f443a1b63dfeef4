"""How the catalogue drifts away from what each bundle was validated on."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.access.authentication import ObserveCaller
from api.dependencies import DriftDep
from api.drift.alerts import alerts
from api.drift.render import alert_out, bundle_drift_out
from api.drift.schemas import DriftOut
from api.http.languages import VARY
from api.lifecycle.names import NamesDep

router = APIRouter(prefix="/v1/drift", tags=["drift"])


@router.get("")
def get(
    counters: DriftDep,
    _: ObserveCaller,
    names: NamesDep,
    response: Response,
    days: Annotated[int, Query(ge=1, le=366, description="How many days to look back, today included.")] = 7,
    bundle: Annotated[
        str | None, Query(max_length=64, description="Show only this bundle; by default all are shown.")
    ] = None,
) -> DriftOut:
    """Compare each bundle's items and answers, day by day, with those of its validation split.

    All tenants are counted together. An alert proposes a training but starts none.
    """
    today, drifts = counters.today(), counters.read()
    first = today - timedelta(days=days - 1)
    response.headers.update(VARY)
    chosen = [drift for drift in drifts if bundle in (None, drift.bundle) and drift.days[-1].last >= first]
    return DriftOut(
        today=today,
        alerts=[alert_out(alert) for alert in alerts(drifts, today, names.of) if bundle in (None, alert.bundle)],
        bundles=[bundle_drift_out(drift, first, today, names.of) for drift in chosen],
    )

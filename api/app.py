"""Builds the application; `stack/roles.py` has the command that starts it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi_offline import FastAPIOffline
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api.access import authentication as access
from api.access.observers import Observers
from api.access.revocation import EndWithKey, Revocations
from api.console import routes as console
from api.decisions import bulk_routes
from api.decisions import routes as decisions
from api.decisions.bulk_schemas import BulkIn
from api.decisions.schemas import DecisionIn, DecisionsIn, UndoIn
from api.dependencies import open_stores
from api.drift import routes as drift
from api.http import cors, methods, problems, response_headers
from api.http import request_ids as requests
from api.http.openapi import CLOSED, OPEN, TAGS, complete_document, operation_id
from api.http.problems import ProblemOut
from api.http.query_parameters import refuse_unknown
from api.http.server import descriptors
from api.items.schemas import ItemIn
from api.jobs import deliveries, explanations, items, predict, quota
from api.jobs import routes as jobs
from api.jobs.schemas import JobIn, PredictIn
from api.labels import routes as labels
from api.labels.schemas import LabelIn, LabelsIn
from api.lifecycle import webhook_events
from api.lifecycle.webhook_events import JobEndedOut, TrainingEndedOut
from api.models import routes as models
from api.models.schemas import PromoteIn, RollbackIn
from api.monitoring import ProcessMetrics, health, http
from api.monitoring import routes as metrics
from api.promise import routes as promise
from api.promise.schemas import ThresholdIn
from api.review import routes as review
from api.review.schemas import NextCardsIn, ReleaseIn
from api.taxonomy import routes as taxonomy
from api.taxonomy.schemas import TaxonomyIn
from api.trainings import routes as trainings
from api.trainings.schemas import TrainingIn
from shared.settings import Settings, get_settings
from shared.telemetry import tracing
from shared.tenants.api_keys import KeyStore

_RESTORING_S = 5.0
"""How long the end of the process waits for the taxonomy's copy: the label store may be away."""
_ROUTES = (
    *(jobs, items, explanations, deliveries, predict, decisions, bulk_routes, review, trainings, labels, taxonomy),
    *(promise, drift, quota, metrics, models, health),
)
_DOCUMENTED = (
    *(JobIn, ItemIn, PredictIn, LabelIn, LabelsIn, DecisionIn, DecisionsIn, UndoIn),
    *(BulkIn, NextCardsIn, ReleaseIn),
    *(TaxonomyIn, TrainingIn, PromoteIn, RollbackIn, ThresholdIn, ProblemOut, JobEndedOut, TrainingEndedOut),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the API; the stores that the settings name are opened when the server starts.

    Args:
        settings: Read from the environment if left out, as by a server; log and traces are set up then, too.
    """
    if settings is None:
        settings = get_settings()
        requests.observe(settings)
        descriptors.raise_limit()

    revocations = Revocations()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.stores = open_stores(settings)
        keys = KeyStore(app.state.stores.redis)
        app.state.stores.start()
        await run_in_threadpool(access.announce_access, keys)
        watching = asyncio.create_task(
            revocations.watch(keys, app.state.stores.background("ending requests of revoked keys"))
        )
        taxonomies = app.state.stores.in_force.taxonomies
        # Not waited for: the label store may be away.
        restoring = threading.Thread(target=taxonomies.restore, name="restore the taxonomy", daemon=True)
        restoring.start()
        yield
        watching.cancel()
        await run_in_threadpool(restoring.join, _RESTORING_S)
        await app.state.stores.close()
        await run_in_threadpool(tracing.finish)

    # /docs works without a content delivery network: its scripts are served from here.
    app = FastAPIOffline(
        title="Rakuten catalogue classification",
        version=version("rakuten-catalog"),
        description="Send catalogue items in bulk; get a category for each, by polling or by webhook.",
        lifespan=lifespan,
        telemetry=requests.TRACED,
        generate_unique_id_function=operation_id,
        openapi_tags=TAGS,
        webhooks=webhook_events.router,
        dependencies=[Depends(refuse_unknown)],
    )
    problems.install(app)
    app.add_middleware(EndWithKey, revocations=revocations)
    access.install(app)
    app.state.metrics, app.state.observers = ProcessMetrics(), Observers()
    for routes in _ROUTES:
        app.include_router(routes.router, responses=OPEN if routes is health else CLOSED)
        app.state.metrics.http.expect(routes.router)
    console.install(app)
    cors.install(app, settings.cors_origins)
    response_headers.install(app)
    http.install(app, app.state.metrics.http)
    requests.install(app)
    methods.install(app)
    # Added last, so it runs around the others, and their logs name the client.
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(network) for network in settings.proxy_addresses])
    complete_document(app, _DOCUMENTED)
    return app

"""`/metrics`, for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.access.observers import Observer
from api.metrics import StoresRegistryDep

router = APIRouter(tags=["observation"])


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
def metrics(request: Request, stores: StoresRegistryDep, observer: Observer) -> Response:
    """In Prometheus's text format: requests, the queue, workers and trainers, webhooks waiting, trainings, drift.

    Prometheus sends a key as `authorization.credentials` of its scrape configuration. While Redis is away, a key that
    was good before is told about this process alone, and `catalog_redis_up` is 0.
    """
    text = request.app.state.metrics.scrape(stores if observer else None)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

"""`/metrics`, for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.access.observers import Observer
from api.http.held_requests import HeldRequestsDep
from api.http.notices import NoticesDep
from api.monitoring import StoresRegistryDep

router = APIRouter(tags=["metrics"])


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
def scrape(
    request: Request, stores: StoresRegistryDep, held: HeldRequestsDep, notices: NoticesDep, observer: Observer
) -> Response:
    """Read the service's metrics in Prometheus's text format.

    They cover requests, the queue, workers and trainers, waiting webhooks, trainings and drift. Give Prometheus a key
    as `authorization.credentials` in its scrape configuration. While Redis is unreachable, a caller whose key was valid
    before gets only the metrics of this process, and `catalog_redis_up` is 0.
    """
    text = request.app.state.metrics.scrape(stores if observer else None, held, notices)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

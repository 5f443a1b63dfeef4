"""Figures for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.access import ObserveCaller
from api.dependencies import StoresDep

router = APIRouter(tags=["observation"])


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
def metrics(stores: StoresDep, _: ObserveCaller) -> Response:
    """In Prometheus's text format: how each model's items differ from those it was validated on, and how well it does.

    Prometheus sends a key as `authorization.credentials` of its scrape configuration.
    """
    return Response(generate_latest(stores.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

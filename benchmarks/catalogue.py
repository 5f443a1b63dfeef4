"""The service as a catalogue team uses it: jobs of many items, a few of them in progress at a time."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pictures import Product, as_item, with_other_bytes
from catalog_client import Catalog
from shared.settings import ROOT
from stack.services import Stack, pick_ports

JOB_ITEMS, JOBS_IN_FLIGHT = 64, 3

CACHES_OFF = {"CATALOG_CACHED_PREDICTIONS": "0", "CATALOG_CACHED_FEATURES": "0"}

Answer = tuple[str, float]
"""A product type's code, and the confidence."""


def uncached_stack(bundle: Path, state: Path, settings: Mapping[str, str] | None = None) -> Stack:
    """Run the service on free ports with this bundle and without caches."""
    chosen = {"CATALOG_MODEL": str(bundle), **CACHES_OFF, **(settings or {})}
    return Stack(ROOT, state, pick_ports(mlflow=False, preferred=False), chosen)


def rounds(products: Sequence[Product], count: int, mark: str = "round") -> Iterator[list[dict[str, Any]]]:
    """The items of each round, ready before the clock starts; each round has pictures with bytes of its own."""
    marks = [f"{mark} {number}" for number in range(count)]
    return iter([[as_item(with_other_bytes(product, own)) for product in products] for own in marks])


def classify(catalog: Catalog, items: Sequence[dict[str, Any]], *, all_pictures: bool = False) -> list[Answer]:
    """From the first byte of the first request to the last result; an answer per item, in order.

    Args:
        all_pictures: Every picture is looked at, also where the text alone is sure.

    Raises:
        RuntimeError: an item got no answer.
    """
    answers: list[Answer] = []
    sent: deque[str] = deque()
    for start in range(0, len(items), JOB_ITEMS):
        if len(sent) == JOBS_IN_FLIGHT:
            answers += _answers(catalog, sent.popleft())
        sent.append(catalog.submit(items[start : start + JOB_ITEMS], all_pictures=all_pictures).id)
    for job in sent:
        answers += _answers(catalog, job)
    return answers


def _answers(catalog: Catalog, job: str) -> list[Answer]:
    """Wait for the job's end."""
    catalog.wait(job)
    answers: dict[int, Answer] = {}
    for result in catalog.results(job):
        if result.category is None:
            raise RuntimeError(f"item {result.index} of a job {result.status}: {result.error}")
        answers[result.index] = (result.category.code, result.category.confidence)
    return [answers[index] for index in range(len(answers))]

"""A job's items for reviewers: what was sent beside what was answered, and the picture."""

import logging
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.concurrency import run_in_threadpool

from api.access.ownership import JobToReadDep
from api.dependencies import BlobsDep, ItemListDep
from api.http.entity_tags import listed
from api.http.languages import VARY
from api.http.openapi import problems
from api.http.problems import Problem, results_expired
from api.items.picture_types import media_type_of
from api.items.thumbnails import thumbnail
from api.jobs import render
from api.jobs.schemas import ItemsOut
from api.lifecycle.names import NamesDep
from shared.ledger import ItemFilter, ItemList, ItemOrder, ItemStatus, Job, KnownItem
from shared.stores.blobs import BlobNotFoundError, Blobs

log = logging.getLogger(__name__)

router = APIRouter(
    prefix="/v1/jobs/{job_id}/items", tags=["jobs"], responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
)

_LONGEST_SEARCH, _LONGEST_CODE, _LONGEST_NAME = 200, 128, 100
ITEM = Path(ge=0, le=10**9, description="The item's `index`: its position in the request, from 0.")
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_KEPT_BY_BROWSERS = {"Cache-Control": "private, max-age=86400, immutable", "Vary": "Authorization"}
"""A picture's bytes never change, and belong to one tenant."""


@router.get("", responses=problems(HTTPStatus.BAD_REQUEST))
async def list_items(
    job: JobToReadDep,
    item_list: ItemListDep,
    names: NamesDep,
    response: Response,
    order: Annotated[
        Literal["sent", "committed", "least_sure"],
        Query(
            description="`sent`: as in the request; while the job runs, pages end before the first item that is not "
            "done. `committed`: as they were done. `least_sure`: the lowest confidence first, of the items that were "
            "done when the first page was read."
        ),
    ] = "sent",
    status: Annotated[list[ItemStatus] | None, Query(description="Only items that ended with one of these.")] = None,
    needs_review: Annotated[bool | None, Query(description="Only items that need a review, or need none.")] = None,
    category: Annotated[
        str | None,
        Query(max_length=_LONGEST_CODE, description="Only items answered with this category's code, or one below it."),
    ] = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    max_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    branches_disagree: Annotated[
        bool | None,
        Query(description="Only items of which text and picture alone are answered differently."),
    ] = None,
    bundle: Annotated[
        str | None, Query(max_length=_LONGEST_CODE, description="Only items that this bundle answered.")
    ] = None,
    decided: Annotated[
        bool | None, Query(description="Only items about which a person has decided, or nobody has.")
    ] = None,
    decided_by: Annotated[
        str | None, Query(max_length=_LONGEST_NAME, description="Only items whose decision in force is this person's.")
    ] = None,
    q: Annotated[
        str | None,
        Query(
            max_length=_LONGEST_SEARCH,
            description="Words that all occur in title or description, as words or beginnings of words; accents and "
            "capitals do not count.",
        ),
    ] = None,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the previous page.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=ItemList.LONGEST_PAGE, description="The largest number of items on a page.")
    ] = 50,
) -> ItemsOut:
    """List a job's items with their results, also while it runs.

    Pages neither miss nor repeat an item, if all have the same filters and order. With `q`, a page may have fewer items
    than `limit` although more follow.
    """
    if job.results_gone:
        raise results_expired(job.id)
    wanted = ItemFilter(
        statuses=status or (),
        needs_review=needs_review,
        codes=None if category is None else names.branch(category),
        least=min_confidence,
        most=max_confidence,
        disagree=branches_disagree,
        bundle=bundle,
        decided=decided,
        decided_by=decided_by,
        text=q or "",
    )
    response.headers.update(VARY)

    def page() -> ItemsOut:
        found = item_list.page(job, wanted, ItemOrder(order), cursor, limit)
        items = [render.item_out(job.id, known, names.in_results(known.bundle)) for known in found.items]
        return ItemsOut(job_id=job.id, state=job.state, items=items, next_cursor=found.cursor)

    return await run_in_threadpool(page)


@router.get(
    "/{index}/picture",
    response_class=Response,
    responses={
        # Some generators of clients know no pictures, but bytes.
        HTTPStatus.OK: {"content": dict.fromkeys(("application/octet-stream", "image/*"), _BYTES)},
        HTTPStatus.NOT_MODIFIED: {"description": "The picture is the one that `If-None-Match` names."},
    },
)
def read_picture(
    job: JobToReadDep,
    index: Annotated[int, ITEM],
    item_list: ItemListDep,
    blobs: BlobsDep,
    if_none_match: Annotated[
        str | None, Header(max_length=200, description="The `ETag` of the picture that you have.")
    ] = None,
    size: Annotated[
        int | None, Query(ge=16, le=1024, description="The longer side of a thumbnail in pixels; it is a JPEG.")
    ] = None,
) -> Response:
    """Read the picture that was sent with an item, as it was sent, or a thumbnail of it.

    A picture that is no larger than the thumbnail, or that cannot be decoded, comes as it was sent. A picture that was
    sent as a URL is not kept: `image_url` of the item says where it was.
    """
    sha256 = _picture_of(job, index, known_item(item_list, job, index))
    etag = f'"{sha256}"' if size is None else f'"{sha256}-{size}"'
    headers = {**_KEPT_BY_BROWSERS, "ETag": etag}
    if if_none_match is not None and (if_none_match == "*" or etag in listed(if_none_match)):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    data = _stored(blobs, job, index, sha256)
    if size is not None:
        data = thumbnail(data, size) or data
    return Response(data, headers=headers, media_type=media_type_of(data))


def known_item(item_list: ItemList, job: Job, index: int) -> KnownItem:
    """Return a job's item that is done; raises `Problem` if there is none."""
    if job.results_gone:
        raise results_expired(job.id)
    known = item_list.item(job, index)
    if known is None:
        detail = f"Job {job.id} has no item {index}" + ("." if job.ended else ", or it is not done yet.")
        raise Problem(HTTPStatus.NOT_FOUND, "item-not-found", detail)
    return known


def _picture_of(job: Job, index: int, known: KnownItem) -> str:
    """The picture's sha256; raises `Problem` if there is none."""
    if known.item is None:
        raise _no_picture(f"What was sent as item {index} of job {job.id} is not kept.")
    if known.item.blob is None:
        link = known.item.url
        detail = "has no picture." if link is None else "has its picture elsewhere: its `image_url` says where."
        raise _no_picture(f"Item {index} of job {job.id} {detail}")
    return known.item.blob


def _stored(blobs: Blobs, job: Job, index: int, sha256: str) -> bytes:
    """The picture's bytes; raises `Problem` if they cannot be read."""
    try:
        return blobs.get(sha256)
    except BlobNotFoundError:
        raise _no_picture(f"The picture of item {index} of job {job.id} is not kept any more.") from None
    except OSError as error:
        log.error("a picture cannot be read: %s", error)
        detail = "The picture store cannot be reached. Try again in a few seconds."
        headers = {"Retry-After": "30"}
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail, headers=headers) from None


def _no_picture(detail: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "no-picture", detail)

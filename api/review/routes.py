"""The queue of open items."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import DecideCaller
from api.decisions.submission import DecisionSubmissionsDep
from api.http.idempotency import IdempotentDep, check_same
from api.http.languages import VARY
from api.http.openapi import SMALL_BODY, problems, small_body
from api.http.small_bodies import small_model
from api.lifecycle.names import NamesDep
from api.review.reservations import ReservationsDep, fingerprint_of
from api.review.schemas import NextCardsIn, NextCardsOut, ReleasedOut, ReleaseIn

router = APIRouter(prefix="/v1/review", tags=["review"])


@router.post(
    "/next",
    openapi_extra=small_body(NextCardsIn, required=False),
    responses=SMALL_BODY | problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
async def next_(
    request: Request,
    response: Response,
    reservations: ReservationsDep,
    submissions: DecisionSubmissionsDep,
    idempotent: IdempotentDep,
    names: NamesDep,
    caller: DecideCaller,
) -> NextCardsOut:
    """Take the next items that need a look, those most worth it first, each with its near copies.

    They are reserved for the person: nobody else gets them, or another item of their cards, until they are decided,
    given back, or the time is over.
    """
    options = await small_model(request, NextCardsIn, optional=True)
    by = options.by or caller.person
    response.headers.update(VARY)
    async with idempotent.attempt(caller.tenant, "review-next") as attempt:
        if attempt.answered:
            check_same(attempt.answered, fingerprint_of(options, by))
            attempt.mark(response)
            return await reservations.again(attempt.answered.answer, names)
        return await reservations.take(caller.tenant, by, options, names, submissions, attempt.claim)


@router.post("/release", openapi_extra=small_body(ReleaseIn, required=False), responses=SMALL_BODY)
async def release(request: Request, reservations: ReservationsDep, caller: DecideCaller) -> ReleasedOut:
    """Give back items that a person has taken and does not decide about, so that others get them.

    What the person does not hold is left as it is.
    """
    options = await small_model(request, ReleaseIn, optional=True)
    items = [(item.job_id, item.index) for item in options.items or ()]
    by = options.by or caller.person
    return ReleasedOut(released=await run_in_threadpool(reservations.release, caller.tenant, by, items))

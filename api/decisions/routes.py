"""Decisions: what people say about results, for results, trainings and other systems."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api import ingest
from api.access.authentication import DecideCaller, ReviewCaller
from api.decisions.bodies import DECISION_BODIES
from api.decisions.listing import DECISIONS
from api.decisions.render import decision_out
from api.decisions.schemas import DecisionPageOut, DecisionsOut, UndoIn, UndoneOut
from api.decisions.submission import DecisionSubmissionsDep
from api.http.idempotency import IdempotentDep, check_same
from api.http.languages import VARY
from api.http.openapi import SMALL_BODY, UPLOADS, problems, small_body
from api.http.problems import Problem
from api.http.small_bodies import small_model
from api.ingest import UploadDep
from api.lifecycle.names import NamesDep
from shared.ledger import Decisions, DecisionsGoneError

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])


@router.post("", status_code=HTTPStatus.CREATED, openapi_extra=DECISION_BODIES, responses=UPLOADS)
async def submit(
    upload: UploadDep,
    response: Response,
    submissions: DecisionSubmissionsDep,
    idempotent: IdempotentDep,
    caller: DecideCaller,
) -> DecisionsOut:
    """Decide about results: all of the request is kept, or none of it.

    An item's latest decision is in force. A result needs a category for that (`succeeded`); it need not need a review.
    With `copies`, the same is decided about the item's near copies; they are taken back with it.
    """
    async with idempotent.attempt(caller.tenant, "decisions") as attempt:
        if attempt.answered:
            check_same(attempt.answered, await upload.drain(DECISIONS))
            attempt.mark(response)
            return DecisionsOut.model_validate_json(attempt.answered.answer)
        accept = partial(submissions.accept, tenant=caller.tenant, by=caller.person, claim=attempt.claim)
        return await upload.read(DECISIONS, accept)


@router.post("/undo", openapi_extra=small_body(UndoIn), responses=SMALL_BODY | problems(HTTPStatus.CONFLICT))
async def undo(
    request: Request,
    response: Response,
    submissions: DecisionSubmissionsDep,
    idempotent: IdempotentDep,
    names: NamesDep,
    caller: DecideCaller,
) -> UndoneOut:
    """Take back a person's last decisions, the latest first.

    For each item the decision before comes into force again, if there is one. Decisions about copies are taken back
    with the one that they came with. A person's last 50 decisions can be taken back, those that skip an item among
    them.
    """
    options = await small_model(request, UndoIn)
    by = options.by or caller.person
    fingerprint = f"{options.count} {by}"
    response.headers.update(VARY)
    async with idempotent.attempt(caller.tenant, "undo") as attempt:
        if attempt.answered:
            check_same(attempt.answered, fingerprint)
            attempt.mark(response)
            return UndoneOut.model_validate_json(attempt.answered.answer)
        return await submissions.undo(caller.tenant, by, options.count, names, attempt.claim, fingerprint)


@router.get(
    "",
    response_model=DecisionPageOut,
    responses={HTTPStatus.OK: {"content": {ingest.NDJSON: {}}}} | problems(HTTPStatus.BAD_REQUEST, HTTPStatus.GONE),
)
async def list_(
    submissions: DecisionSubmissionsDep,
    names: NamesDep,
    caller: ReviewCaller,
    since: Annotated[
        str | None,
        Query(max_length=100, description="The `cursor` of a decision, or the `next_cursor` of the previous page."),
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=Decisions.LONGEST_PAGE, description="The largest number of decisions on a page.")
    ] = 100,
    output: Annotated[
        Literal["json", "ndjson"],
        Query(alias="format", description="The format of the answer; NDJSON has a decision per line."),
    ] = "json",
) -> Response:
    """Read your decisions in the order of their arrival, for another system that follows them.

    Pages neither miss nor repeat a decision. The latest 50,000 are there, for 30 days at least unless there are more.
    """

    def page() -> Response:
        found = submissions.page(caller.tenant, since, limit)
        decisions = [decision_out(cursor, kept, names.in_results) for cursor, kept in found]
        if output == "ndjson":
            content = "".join(decision.model_dump_json() + "\n" for decision in decisions)
            return Response(content, headers=VARY, media_type=ingest.NDJSON)
        out = DecisionPageOut(decisions=decisions, next_cursor=decisions[-1].cursor if decisions else since)
        return Response(out.model_dump_json(), headers=VARY, media_type=ingest.JSON)

    try:
        return await run_in_threadpool(page)
    except DecisionsGoneError:
        detail = "Decisions after this cursor are no longer told: begin again without `since`."
        raise Problem(HTTPStatus.GONE, "decisions-gone", detail) from None

"""Why an item got its answer."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.access.ownership import JobToReadDep
from api.dependencies import ItemListDep
from api.http.held_requests import HeldRequestsDep
from api.http.languages import VARY
from api.http.openapi import problems
from api.http.problems import Problem
from api.jobs import render
from api.jobs.awaited import AwaitedAnswersDep
from api.jobs.decided_before import DecidedBeforeDep
from api.jobs.items import ITEM, known_item
from api.jobs.schemas import ExplanationOut
from api.jobs.submission import JobSubmissionsDep
from api.lifecycle.names import NameOf, NamesDep
from shared.ledger import ItemList, Job, Outcome, QueuedItem

router = APIRouter(prefix="/v1/jobs/{job_id}/items/{index}/explanation", tags=["jobs"])


@router.get(
    "",
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.GATEWAY_TIMEOUT),
)
async def explain_item(
    request: Request,
    job: JobToReadDep,
    index: Annotated[int, ITEM],
    item_list: ItemListDep,
    submissions: JobSubmissionsDep,
    awaited: AwaitedAnswersDep,
    held: HeldRequestsDep,
    names: NamesDep,
    decided_before: DecidedBeforeDep,
    response: Response,
) -> ExplanationOut:
    """Say which words carried an item's answer, and what the picture did to it.

    The model in service answers the item once more, in all its words and without each of them. It may be another one
    than the model that gave the result: `bundle` names it. What people have decided about such items is told beside it:
    about the same one or a near copy in `memory`, about others in `nearest`.
    """
    item = await run_in_threadpool(_item, item_list, job, index)
    with held.hold(request.state.caller):
        bundle, outcome = await awaited.to(await submissions.explain(job, item))
    response.headers.update(VARY)
    out = explained(bundle, outcome, await run_in_threadpool(names.in_results, bundle))
    return await run_in_threadpool(decided_before.beside, out, job.tenant, item, names)


def explained(bundle: str, outcome: Outcome, name_of: NameOf) -> ExplanationOut:
    """The explanation of an outcome that was asked for one; raises `Problem` if a worker knew none."""
    if outcome.explanation is None:
        detail = "The worker that answered cannot explain: it is of an earlier release, or computed the item apart."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-explanation", detail, headers={"Retry-After": "30"})
    return render.explanation_out(bundle, outcome, outcome.explanation, name_of)


def _item(item_list: ItemList, job: Job, index: int) -> QueuedItem:
    """What was sent as the item; raises `Problem` if there is nothing to explain."""
    known = known_item(item_list, job, index)
    if not known.outcome.guesses:
        detail = f"Item {index} of job {job.id} has no answer: it is {known.outcome.status}."
        raise Problem(HTTPStatus.CONFLICT, "nothing-to-explain", detail)
    if known.item is None:
        detail = f"What was sent as item {index} of job {job.id} is not kept."
        raise Problem(HTTPStatus.CONFLICT, "nothing-to-explain", detail)
    return known.item

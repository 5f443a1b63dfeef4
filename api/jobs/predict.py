"""`/predict`: one item, answered in the same request, with the original project's contract and the same queue."""

import base64
import re
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from api import ingest
from api.access.authentication import ClassifyCaller
from api.dependencies import ItemListDep, SettingsDep
from api.http import request_ids
from api.http.held_requests import HeldRequestsDep
from api.http.languages import VARY
from api.http.openapi import problems, ref
from api.http.problems import invalid_request
from api.http.small_bodies import json_object
from api.jobs import render
from api.jobs.awaited import AwaitedAnswersDep
from api.jobs.decided_before import DecidedBeforeDep
from api.jobs.explanations import explained
from api.jobs.schemas import ModelWeightsOut, PredictIn, PredictOut
from api.jobs.submission import JobSubmissions, JobSubmissionsDep
from api.lifecycle.names import NamesDep
from shared.ledger import ItemList, Job, QueuedItem
from shared.settings import Settings

router = APIRouter(tags=["jobs"])

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")

_BODIES = {
    # openapi-python-client imports what a choice of bodies needs only where there is an optional parameter, too.
    "parameters": [
        {
            "name": request_ids.HEADER,
            "in": "header",
            "required": False,
            "description": "Your id for the request, which the answer and the service's log repeat.",
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            ingest.JSON: {"schema": ref(PredictIn), "example": {"description": "Console de jeux rétro"}},
            ingest.MULTIPART: {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "description": {"type": "string"},
                        "image": {"type": "string", "format": "binary"},
                    },
                },
                "example": {"description": "Console de jeux rétro"},
            },
        },
    },
}


@router.post(
    "/predict",
    openapi_extra=_BODIES,
    responses=problems(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.GATEWAY_TIMEOUT,
        HTTPStatus.INSUFFICIENT_STORAGE,
    ),
)
async def predict(
    request: Request,
    settings: SettingsDep,
    submissions: JobSubmissionsDep,
    reading: ingest.ReadingLoopDep,
    caller: ClassifyCaller,
    held: HeldRequestsDep,
    awaited: AwaitedAnswersDep,
    names: NamesDep,
    item_list: ItemListDep,
    decided_before: DecidedBeforeDep,
    response: Response,
    explain: Annotated[bool, Query(description="Whether `explanation` says which words carried the answer.")] = False,
) -> PredictOut:
    """Classify one item and wait for the answer.

    The item overtakes bulk jobs at the next micro-batch.
    """
    with held.hold(request.state.caller):
        job = await reading.run(_accepted(request, settings, submissions, caller.tenant, explain=explain))
        bundle, outcome = await awaited.to(job)
    name_of = await run_in_threadpool(names.in_results, bundle)
    result = render.result_out(bundle, outcome, name_of)
    assert result.category is not None  # noqa: S101  # the outcome has guesses, and so the next one
    assert result.branches is not None  # noqa: S101
    response.headers.update(VARY)
    explanation = explained(bundle, outcome, name_of) if explain else None
    if explanation is not None and (item := await run_in_threadpool(_kept, item_list, job)) is not None:
        explanation = await run_in_threadpool(decided_before.beside, explanation, caller.tenant, item, names)
    return PredictOut(
        predicted_category=result.category.name,
        category_id=_identifier(result.category.code),
        confidence=result.category.confidence,
        needs_review=outcome.needs_review,
        model_weights=ModelWeightsOut(text=result.branches.text_weight, image=result.branches.image_weight),
        result=result,
        explanation=explanation,
        job_id=job.id,
    )


def _kept(item_list: ItemList, job: Job) -> QueuedItem | None:
    """The job's one item; `None` if it is not kept."""
    known = item_list.item(job, 0)
    return None if known is None else known.item


def _identifier(code: str) -> int | str:
    """The code as the original project answered it: as a number, if it is one."""
    return int(code) if _NUMBER.fullmatch(code) else code


async def _accepted(
    request: Request, settings: Settings, submissions: JobSubmissions, tenant: str, *, explain: bool
) -> Job:
    async with ingest.single(await _item(request, settings), settings) as intake:
        return await submissions.accept(intake, tenant, passing=True, explain=explain)


async def _item(request: Request, settings: Settings) -> dict[str, Any]:
    """The request's two fields as the fields of a catalogue item."""
    limit = ingest.item_limit(settings)
    fields: dict[str, Any]
    if request.headers.get("content-type", "").lower().startswith(ingest.MULTIPART):
        fields = dict(await ingest.small_form(request, limit))
        if isinstance(picture := fields.get("image"), bytes):
            fields["image"] = base64.b64encode(picture).decode()
    else:
        fields = await json_object(request, limit)
    try:
        body = PredictIn.model_validate(fields)
    except ValidationError as error:
        raise invalid_request(error.errors()) from error
    return {"description": body.description, "image": {"base64": body.image} if body.image else None}

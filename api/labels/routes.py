"""Labels: what items really are, for trainings to learn from."""

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Response

from api.access.authentication import TrainCaller
from api.http.idempotency import IdempotentDep, check_same
from api.http.openapi import UPLOADS
from api.ingest import UploadDep
from api.labels.bodies import LABEL_BODIES
from api.labels.listing import LABELS
from api.labels.render import label_counts_out
from api.labels.schemas import LabelCountsOut, LabelsOut
from api.labels.submission import LabelSubmissionsDep

router = APIRouter(prefix="/v1/labels", tags=["labels"])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    openapi_extra=LABEL_BODIES,
    responses=UPLOADS,
)
async def submit(
    upload: UploadDep,
    response: Response,
    submissions: LabelSubmissionsDep,
    idempotent: IdempotentDep,
    caller: TrainCaller,
) -> LabelsOut:
    """Send labels in bulk: the categories of items, or corrections and confirmations of results.

    Either the whole request is kept or none of it; `on_invalid=skip` leaves invalid labels out.
    """
    async with idempotent.attempt(caller.tenant, "labels") as attempt:
        if attempt.answered:
            check_same(attempt.answered, await upload.drain(LABELS))
            attempt.mark(response)
            return LabelsOut.model_validate_json(attempt.answered.answer)
        by = caller.key_id or caller.tenant
        accept = partial(submissions.accept, tenant=caller.tenant, by=by, claim=attempt.claim)
        return await upload.read(LABELS, accept)


@router.get("")
def count(submissions: LabelSubmissionsDep, caller: TrainCaller) -> LabelCountsOut:
    """Count your labels by code, and the items whose labels contradict one another.

    With the scope admin or observe the labels of all tenants are counted.
    """
    return label_counts_out(submissions.counts(caller))

"""Trainings: starting one, and following it."""

from typing import Annotated

import yaml
from fastapi import APIRouter, Depends, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from api.access.authentication import TrainCaller
from api.access.ownership import TrainingDep
from api.console.forms import FormDep
from api.console.pages import PageDep
from api.dependencies import LedgerDep, TrainingsDep
from api.http.problems import Problem, invalid_request
from api.trainings import routes as trainings
from api.trainings.schemas import TrainingIn, TrainingOut, TrainingSourcesOut, TrainingsOut
from api.trainings.submission import TrainingSubmissionsDep
from shared.pipeline.stages import PromotePolicy

router = APIRouter()


@router.get("/trainings")
def list_trainings(
    page: PageDep,
    caller: TrainCaller,
    found: Annotated[TrainingsOut, Depends(trainings.list_)],
    sources: Annotated[TrainingSourcesOut, Depends(trainings.list_sources)],
) -> Response:
    return page.render(
        "trainings.html",
        caller,
        found=found,
        sources=sources.sources,
        policies=list(PromotePolicy),
        form={},
        problem=None,
    )


@router.post("/trainings")
async def start(
    page: PageDep,
    caller: TrainCaller,
    submissions: TrainingSubmissionsDep,
    found: Annotated[TrainingsOut, Depends(trainings.list_)],
    sources: Annotated[TrainingSourcesOut, Depends(trainings.list_sources)],
    form: FormDep,
) -> Response:
    try:
        wanted = _wanted(form)
        training = await run_in_threadpool(submissions.accept, wanted, caller.tenant, caller.scopes, None)
    except Problem as problem:
        return page.render(
            "trainings.html",
            caller,
            problem.status,
            found=found,
            sources=sources.sources,
            policies=list(PromotePolicy),
            form=form,
            problem=str(problem),
        )
    return page.redirect(f"/console/trainings/{training.job.id}")


@router.get("/trainings/{training_id}")
def show_training(
    page: PageDep, caller: TrainCaller, training: TrainingDep, ledger: LedgerDep, trainings_: TrainingsDep
) -> Response:
    out = trainings.training_now(training, ledger, trainings_)
    log = trainings_.log(training.job.id).splitlines()[-200:]
    return page.render("training.html", caller, training=out, log="\n".join(log))


@router.post("/trainings/{training_id}/cancel")
def cancel(page: PageDep, done: Annotated[TrainingOut, Depends(trainings.cancel)]) -> Response:
    return page.redirect(f"/console/trainings/{done.id}")


def _wanted(form: dict[str, str]) -> TrainingIn:
    """The training that a form asks for; raises `Problem` for what no training may be."""
    try:
        params = yaml.safe_load(form.get("params") or "{}")
    except yaml.YAMLError as error:
        raise invalid_request([{"loc": ("params",), "msg": f"is no YAML: {error}"}]) from None
    fields = {"params": params, "source": form.get("source") or None, "promote": form.get("promote") or "auto"}
    try:
        return TrainingIn.model_validate(fields)
    except ValidationError as error:
        raise invalid_request(error.errors()) from None

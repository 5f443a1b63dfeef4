"""The versions of the model, and which of them serves."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.access.authentication import AdminCaller, AnyCaller
from api.console.charts import LineChart
from api.console.forms import FormDep
from api.console.pages import PageDep
from api.http.notices import NoticesDep
from api.http.problems import invalid_request
from api.models import routes as models
from api.models.schemas import WHY_LIMIT, ModelsOut
from api.models.served import ServedModelsDep

router = APIRouter()

_SCORE = "test.fusion.weighted_f1"


@router.get("/models")
def show_models(page: PageDep, caller: AnyCaller, found: Annotated[ModelsOut, Depends(models.list_)]) -> Response:
    scored = [(model.version, model.figures[_SCORE]) for model in reversed(found.models) if _SCORE in model.figures]
    return page.render("models.html", caller, found=found, score=_SCORE, chart=LineChart.of(scored))


@router.post("/models/{version}/promote")
async def promote(
    page: PageDep,
    version: models.Version,
    served: ServedModelsDep,
    notices: NoticesDep,
    caller: AdminCaller,
    form: FormDep,
) -> Response:
    await served.promote(notices, version, caller, _reason(form), force="force" in form)
    return page.redirect("/console/models")


@router.post("/models/rollback")
async def roll_back(
    page: PageDep, served: ServedModelsDep, notices: NoticesDep, caller: AdminCaller, form: FormDep
) -> Response:
    await served.roll_back(notices, caller, _reason(form))
    return page.redirect("/console/models")


def _reason(form: dict[str, str]) -> str:
    reason = form.get("reason", "")
    if len(reason) > WHY_LIMIT:
        raise invalid_request([{"loc": ("reason",), "msg": f"at most {WHY_LIMIT} characters"}])
    return reason

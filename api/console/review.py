"""The review screen: the page around it. A script takes cards from the queue, shows them and sends what is decided."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.access.authentication import DecideCaller
from api.console.pages import PageDep

router = APIRouter()


@router.get("/review")
def show_review(
    page: PageDep,
    caller: DecideCaller,
    job_id: Annotated[str | None, Query(max_length=64)] = None,
    category: Annotated[str | None, Query(max_length=128)] = None,
) -> Response:
    return page.render("review.html", caller, job_id=job_id, category=category)

"""What an operator looks at: the processes, what waits, and links to the other tools."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from api.access.authentication import ObserveCaller
from api.console.pages import PageDep
from api.dependencies import StoresDep
from api.monitoring import health

router = APIRouter()


@router.get("/operations")
def show_operations(
    page: PageDep, caller: ObserveCaller, stores: StoresDep, service: Annotated[dict[str, Any], Depends(health.get)]
) -> Response:
    return page.render("operations.html", caller, service=service, settings=stores.settings)

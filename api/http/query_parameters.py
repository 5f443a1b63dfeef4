"""Unknown query parameters are refused: a misspelt `?fromat=csv` must not answer as if nothing had been asked."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.http.problems import invalid_request


async def refuse_unknown(request: Request) -> None:
    """A dependency of every route; raises `Problem` (422) that names the parameter and lists the known ones."""
    if not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    known = sorted({*_declared(route.dependant), *_described(route)})
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        detail = f"unknown query parameter; known here: {', '.join(known) or 'none'}"
        raise invalid_request([{"loc": ("query", name), "msg": detail} for name in unknown])


def _declared(dependant: Dependant) -> Iterator[str]:
    """Those of the route's function and of all it depends on."""
    yield from (parameter.alias for parameter in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _declared(dependency)


def _described(route: APIRoute) -> Iterator[str]:
    """Those of a streamed body, which the document alone names."""
    for parameter in (route.openapi_extra or {}).get("parameters", ()):
        if parameter["in"] == "query":
            yield parameter["name"]

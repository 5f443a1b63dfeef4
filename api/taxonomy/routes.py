"""The categories that answers and labels may name."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api import ingest
from api.access.authentication import AnyCaller, TrainCaller
from api.http.entity_tags import listed
from api.http.openapi import SMALL_BODY, problems, ref
from api.http.problems import Problem
from api.taxonomy.documents import TaxonomyDocumentsDep
from api.taxonomy.puts import TaxonomyPutsDep
from api.taxonomy.reading import taxonomy_in
from api.taxonomy.schemas import TaxonomyChangesOut, TaxonomyHistoryOut, TaxonomyIn, TaxonomyOut

router = APIRouter(prefix="/v1/taxonomy", tags=["taxonomy"])

_ETAG = {"ETag": {"description": "Names the taxonomy, for `If-Match`.", "schema": {"type": "string"}}}
_CATEGORIES = [
    {"code": "SHOES", "name": "Chaussures", "name:en": "Shoes"},
    {"code": "BOOT", "name": "Bottes", "name:en": "Boots", "parent": "SHOES"},
    {"code": "RAINBOOT", "name": "Bottes de pluie", "parent": "SHOES", "moved_to": "BOOT"},
]
_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            ingest.JSON: {"schema": ref(TaxonomyIn), "example": {"categories": _CATEGORIES}},
            ingest.CSV: {
                "schema": {"type": "string", "description": "A column for each member that a category may have."},
                "example": "code,name,parent\nSHOES,Chaussures,\nBOOT,Bottes,SHOES\n",
            },
        },
    }
}


@router.get(
    "",
    response_model=TaxonomyOut,
    responses={
        HTTPStatus.OK: {"headers": _ETAG, "content": {ingest.CSV: {}}},
        HTTPStatus.NOT_MODIFIED: {"description": "It is the one that `If-None-Match` names."},
    },
)
def get(
    documents: TaxonomyDocumentsDep,
    caller: AnyCaller,
    output: Annotated[
        Literal["json", "csv"],
        Query(alias="format", description="`csv` is the table that `PUT` takes, without states and figures."),
    ] = "json",
    if_none_match: Annotated[
        str | None, Header(max_length=200, description="The `ETag` of the taxonomy that you have.")
    ] = None,
) -> Response:
    """List the categories: the codes and names that answers and labels use, in their tree, with guidelines.

    It is the taxonomy that was put last, or else that of the model in service. `state` says what answers can name.
    """
    document = documents.csv() if output == "csv" else documents.json(caller)
    headers = {"ETag": document.etag, "Vary": "Authorization"}
    if if_none_match is not None and (if_none_match == "*" or document.etag in listed(if_none_match)):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(document.content, headers=headers, media_type=document.media_type)


@router.put(
    "",
    openapi_extra=_BODIES,
    responses={HTTPStatus.OK: {"headers": _ETAG}}
    | SMALL_BODY
    | problems(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED),
)
async def put(
    request: Request,
    response: Response,
    puts: TaxonomyPutsDep,
    caller: TrainCaller,
    if_match: Annotated[
        str | None,
        Header(
            max_length=200,
            description="The `ETag` of the taxonomy that you have changed, or its digest in quotes; `*` replaces any. "
            "Only `dry_run` needs none.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, Query(description="Change nothing: only say what is wrong, or what would change.")
    ] = False,
) -> TaxonomyChangesOut:
    """Put a whole taxonomy in the place of the one in force.

    Names, guidelines, languages, parents, merges (`moved_to`) and retirements are in effect within seconds. New
    categories and splits can be given to labels at once, and are answered after a training. A category that the model
    in service answers must stay, be merged or be retired.
    """
    if if_match is None and not dry_run:
        detail = (
            "This request needs the header If-Match with the ETag of the taxonomy that you have changed (GET "
            "/v1/taxonomy), so that nobody's changes are lost. With ?dry_run=true it needs none, and changes nothing."
        )
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "if-match-required", detail)
    taxonomy = await taxonomy_in(request)
    if dry_run:
        return await run_in_threadpool(puts.compare, taxonomy)
    out = await run_in_threadpool(puts.put, taxonomy, if_match or "", caller)
    response.headers["ETag"] = f'"{out.digest}"'
    return out


@router.get("/history")
def list_history(
    puts: TaxonomyPutsDep,
    caller: TrainCaller,
    cursor: Annotated[
        int | None, Query(ge=1, le=99_999_999, description="The `next_cursor` of the previous page.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=50, description="The largest number of entries on a page.")] = 20,
) -> TaxonomyHistoryOut:
    """List the taxonomies that were put, the latest first: when, by whom, and how much each changed."""
    return puts.history(cursor, limit, caller)

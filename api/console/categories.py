"""The categories as a tree, their figures and guidelines, and the file that changes them."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.access.authentication import AnyCaller, TrainCaller
from api.console.pages import PageDep
from api.lifecycle.names import NamesDep
from api.taxonomy import routes as taxonomy
from api.taxonomy.documents import TaxonomyDocumentsDep
from api.taxonomy.schemas import TaxonomyHistoryOut, TaxonomyOut

router = APIRouter()


@router.get("/categories")
def show_categories(page: PageDep, caller: AnyCaller, documents: TaxonomyDocumentsDep, names: NamesDep) -> Response:
    document = documents.json(caller)
    found = TaxonomyOut.model_validate(json.loads(document.content))
    below: dict[str | None, list[str]] = {}
    for category in found.categories:
        below.setdefault(category.parent, []).append(category.code)
    return page.render(
        "categories.html",
        caller,
        found=found,
        by_code={category.code: category for category in found.categories},
        below=below,
        name_of=names.of,
        etag=document.etag,
    )


@router.get("/categories/history")
def show_history(
    page: PageDep, caller: TrainCaller, found: Annotated[TaxonomyHistoryOut, Depends(taxonomy.list_history)]
) -> Response:
    return page.render("categories_history.html", caller, found=found)

"""The schema of products.parquet, and its violations as messages for the catalogue's maintainers."""

import pandas as pd
import pandera.pandas as pa

from shared.words import DESCRIPTION_LIMIT, TITLE_LIMIT
from training.catalogue.errors import CatalogueError

CONTENT = ["title", "description", "picture"]
SOME_CONTENT = " or ".join(CONTENT)
RULES = {
    "row": "a whole number from 0, each once. Number each row once",
    "title": f"text of at most {TITLE_LIMIT:,} characters, or none. Shorten it",
    "description": f"text of at most {DESCRIPTION_LIMIT:,} characters, or none. Shorten it",
    "id": "text, each once. Correct it, or leave out the copies",
    "category": "the code of a category of taxonomy.json. Correct the label",
    "picture": "the sha256 of the picture's bytes as 64 hex digits, or none. Import the catalogue again",
    SOME_CONTENT: "present, at least one of them. Add one, or leave out the row",
}
"""What each field must be, and what to do if it is not."""


class Products(pa.DataFrameModel):
    """The columns of products.parquet; a text or picture that the catalogue lacks is null."""

    row: int = pa.Field(ge=0, unique=True)
    title: str = pa.Field(nullable=True, str_length={"max_value": TITLE_LIMIT})
    description: str = pa.Field(nullable=True, str_length={"max_value": DESCRIPTION_LIMIT})
    id: str = pa.Field(unique=True, str_length={"min_value": 1})
    category: str = pa.Field(str_length={"min_value": 1})
    picture: str = pa.Field(nullable=True, str_matches=r"^[0-9a-f]{64}$")

    class Config:
        strict = True

    @pa.dataframe_check
    @classmethod
    def has_content(cls, products: pd.DataFrame) -> "pd.Series[bool]":
        return products.reindex(columns=CONTENT).notna().any(axis=1)


class SchemaError(CatalogueError):
    """The products do not follow their schema; the message names each field, its rows and what to do."""


def check_schema(products: pd.DataFrame) -> None:
    """Raise `SchemaError`, which lists every violation and quotes no product's text."""
    products = products.reset_index(drop=True)
    try:
        Products.validate(products, lazy=True)
    except pa.errors.SchemaErrors as errors:
        lines = [
            f"{field}, {_where(positions, products)}: must be {RULES.get(field, 'left out: it is not in the schema')}."
            for field, positions in _violations(errors.failure_cases).items()
        ]
        raise SchemaError("\n  ".join(["the products do not follow training/catalogue/schema.py:", *lines])) from None


def _violations(failures: pd.DataFrame) -> dict[str, set[int] | None]:
    """Return the positions of the wrong rows, by field; None if the whole column is wrong."""
    wrong: dict[str, set[int] | None] = {}
    for context, column, check, value, position in failures[
        ["schema_context", "column", "check", "failure_case", "index"]
    ].itertuples(index=False):
        field = SOME_CONTENT if check == "has_content" else str(column if context == "Column" else value)
        known = wrong.setdefault(field, set())
        if pd.isna(position):
            wrong[field] = None
        elif known is not None:
            known.add(int(position))
    return wrong


def _where(positions: set[int] | None, products: pd.DataFrame) -> str:
    if positions is None:
        return "every row"
    rows = products.get("row", products.index)
    numbers = [str(rows[position]) for position in sorted(positions)]
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(numbers)}"

"""A catalogue item as clients send it."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.items.own_columns import Metadata
from shared.network.urls import canonical_list, holds_data
from shared.words import DESCRIPTION_LIMIT, TITLE_LIMIT

NOT_BLANK = r"\S"
_URLS_LIMIT = 40_000
"""Characters of all URLs of a picture."""


def only_if(condition: dict[str, Any]) -> dict[str, Any]:
    """A schema's further condition. Beside `properties`, generators would take an `anyOf` for a choice of classes."""
    return {"if": condition, "else": {"not": {}}}


def _url(text: str) -> str:
    """Read links as those that fetch them do; a `data:` URL stays as it is, and is decoded like base64."""
    if holds_data(text):
        return text
    if len(text) > _URLS_LIMIT:
        raise ValueError(f"the URLs have {len(text):,} characters, over {_URLS_LIMIT:,}")
    return canonical_list(text)


class ImageIn(BaseModel):
    """An item's picture, in exactly one of three forms."""

    model_config = ConfigDict(extra="forbid")

    base64: str | None = Field(None, description="The file's bytes in base64, or a `data:` URL.")
    url: Annotated[str, AfterValidator(_url)] | None = Field(
        None,
        description="An http or https URL with a public address, from which a worker fetches the picture; of several, "
        "with `,` `;` `|` or blanks between them, the first of five that gives one. Or a `data:` URL, which holds it.",
    )
    file: str | None = Field(None, description="The name or path of a file in the same multipart request.")

    @property
    def link(self) -> str | None:
        """The URLs to fetch, unless `url` holds the picture itself."""
        return None if self.url is None or holds_data(self.url) else self.url

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.base64, self.url, self.file)) != 1:
            raise ValueError("give exactly one of base64, url and file")
        return self


class ItemIn(BaseModel):
    """A catalogue item with at least one of title, description and image."""

    model_config = ConfigDict(
        extra="forbid",
        coerce_numbers_to_str=True,
        str_strip_whitespace=True,
        json_schema_extra=only_if({"anyOf": [{"required": [name]} for name in ("title", "description", "image")]}),
    )

    id: Annotated[str, StringConstraints(strip_whitespace=False, pattern=NOT_BLANK, max_length=128)] | None = Field(
        None, description="Your own id, unique within the job and returned as it is; by default the item's position."
    )
    title: str | None = Field(None, max_length=TITLE_LIMIT)
    description: str | None = Field(None, max_length=DESCRIPTION_LIMIT)
    image: ImageIn | None = None
    metadata: Metadata = Field(
        None,
        description="Your own columns, which come back with the result in this order: texts, numbers, booleans or "
        "null, up to 4,096 bytes of JSON. All items of a job together have at most 256 different names.",
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.title or self.description or self.image):
            raise ValueError("an item needs a title, a description or an image")
        return self

"""A catalogue item as clients send it."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from shared.words import DESCRIPTION_LIMIT, TITLE_LIMIT


def only_if(condition: dict[str, Any]) -> dict[str, Any]:
    """A schema's further condition. Beside `properties`, generators would take an `anyOf` for a choice of classes."""
    return {"if": condition, "else": {"not": {}}}


class ImageIn(BaseModel):
    """An item's picture, in exactly one of three forms."""

    model_config = ConfigDict(extra="forbid")

    base64: str | None = Field(None, description="The file's bytes in base64, or a `data:` URL.")
    url: HttpUrl | None = Field(
        None, description="An http or https URL with a public address, from which a worker fetches the picture."
    )
    file: str | None = Field(None, description="The name of a file in the same multipart request.")

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

    id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="Your own id, unique within the job; by default the item's position."
    )
    title: str | None = Field(None, max_length=TITLE_LIMIT)
    description: str | None = Field(None, max_length=DESCRIPTION_LIMIT)
    image: ImageIn | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.title or self.description or self.image):
            raise ValueError("an item needs a title, a description or an image")
        return self

"""What clients send and get about labels."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from api.items.schemas import ImageIn
from shared.taxonomy import CODES
from shared.words import DESCRIPTION_LIMIT, TITLE_LIMIT

_ITEM, _RESULT = ("title", "description", "image"), ("job_id", "item_id")


class LabelIn(BaseModel):
    """What an item is: the item itself (title, description, image), or a result that names it (job_id, item_id)."""

    model_config = ConfigDict(
        extra="forbid",
        coerce_numbers_to_str=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "oneOf": [
                {"required": list(_RESULT), "not": {"anyOf": [{"required": [name]} for name in _ITEM]}},
                {
                    "anyOf": [{"required": [name]} for name in _ITEM],
                    "not": {"anyOf": [{"required": [name]} for name in _RESULT]},
                },
            ]
        },
    )

    title: str | None = Field(None, max_length=TITLE_LIMIT)
    description: str | None = Field(None, max_length=DESCRIPTION_LIMIT)
    image: ImageIn | None = Field(
        None, description="Only a picture in base64 is learned from: what an URL leads to is not fetched for a label."
    )
    job_id: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="One of your jobs, whose results are still kept."
    )
    item_id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="An item's id in that job."
    )
    code: int = Field(description="prdtypecode: what it is, one of the 27.", json_schema_extra={"enum": list(CODES)})
    by: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Who says so; the API key's id where it is left out."
    )
    at: AwareDatetime | None = Field(
        None,
        description="When it was said, with a time zone; now where it is left out. Of an item's labels the later wins.",
    )

    @field_validator("code")
    @classmethod
    def _known(cls, code: int) -> int:
        if code not in CODES:
            raise ValueError(f"{code} is none of the 27 product types: {', '.join(map(str, CODES))}")
        return code

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        item = [name for name in _ITEM if getattr(self, name)]
        result = [name for name in _RESULT if getattr(self, name) is not None]
        if item and result:
            raise ValueError("name either the item (title, description, image) or a result (job_id, item_id), not both")
        if not item and len(result) < len(_RESULT):
            raise ValueError("a label needs the item (title, description, image) or a result (job_id and item_id)")
        return self


class LabelOptions(BaseModel):
    """What may be said beside the labels."""

    model_config = ConfigDict(extra="forbid")

    on_invalid: Literal["reject", "skip"] = Field(
        "reject", description="What one invalid label means: that none is accepted, or that it alone is skipped."
    )


class LabelsIn(LabelOptions):
    labels: list[LabelIn] = Field(min_length=1)


class LabelsOut(BaseModel):
    """What became of the labels of a request."""

    id: str = Field(description="Names the request's labels in the store, and in the report of a training's data.")
    accepted: int
    corrections: int = Field(description="Those that contradict the result they name.")
    confirmations: int = Field(description="Those that agree with it.")
    conflicts: int = Field(description="Those of an item that an earlier label gave another code; the later one wins.")
    invalid: int = Field(description="Skipped, as `on_invalid=skip` asked for.")
    errors: list[dict[str, Any]] = Field(description="What was wrong with the first 100 of the skipped.")


class LabelCountsOut(BaseModel):
    """All labels that trainings learn from, of all tenants: one model serves them all."""

    labels: int
    items: int = Field(description="Different ones: by their words and their picture.")
    corrections: int
    confirmations: int
    conflicts: int = Field(description="Items that were given more than one code.")
    codes: dict[int, int] = Field(description="Labels by code.")
    newest: datetime | None = Field(description="When the last ones were accepted.")

"""What clients send and get about labels."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.items.schemas import NOT_BLANK, ImageIn, only_if
from shared.words import DESCRIPTION_LIMIT, TITLE_LIMIT

_ITEM, _RESULT = ("title", "description", "image"), ("job_id", "item_id")


class LabelIn(BaseModel):
    """A category for an item: for one given here (title, description, image), or for a result (job_id, item_id)."""

    model_config = ConfigDict(
        extra="forbid",
        coerce_numbers_to_str=True,
        str_strip_whitespace=True,
        json_schema_extra=only_if(
            {
                "oneOf": [
                    {"required": list(_RESULT), "not": {"anyOf": [{"required": [name]} for name in _ITEM]}},
                    {
                        "anyOf": [{"required": [name]} for name in _ITEM],
                        "not": {"anyOf": [{"required": [name]} for name in _RESULT]},
                    },
                ]
            }
        ),
    )

    title: str | None = Field(None, max_length=TITLE_LIMIT)
    description: str | None = Field(None, max_length=DESCRIPTION_LIMIT)
    image: ImageIn | None = Field(
        None,
        description="Trainings learn only from a picture in base64 or a `data:` URL; no link is fetched for a label.",
    )
    job_id: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="One of your jobs whose results are still kept."
    )
    item_id: Annotated[str, StringConstraints(strip_whitespace=False, pattern=NOT_BLANK, max_length=128)] | None = (
        Field(None, description="An item's id in that job.")
    )
    code: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="What the item is: a leaf of the taxonomy (`GET /v1/taxonomy`), by its code, its name in any "
        "language, or a path of names such as `Chaussures > Bottes`. A merged category stands for the one that it was "
        "merged into."
    )
    by: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Who gave the label; by default the API key's id."
    )
    at: AwareDatetime | None = Field(
        None,
        description="When the label was given, with a time zone; by default now. An item's latest label wins.",
    )

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
    """Options beside the labels."""

    model_config = ConfigDict(extra="forbid")

    on_invalid: Literal["reject", "skip"] = Field(
        "reject",
        description="`reject`: if one label is invalid, none is accepted. `skip`: invalid labels are left out.",
    )


class LabelsIn(LabelOptions):
    labels: list[LabelIn] = Field(min_length=1)


class LabelsOut(BaseModel):
    """What became of the labels of a request."""

    id: str = Field(description="The name of the request's labels in the store and in the report on a training's data.")
    accepted: int
    corrections: int = Field(description="Labels that contradict the result they name.")
    confirmations: int = Field(description="Labels that agree with the result they name.")
    conflicts: int = Field(
        description="Labels of items to which an earlier label of yours gave another code; the latest label wins."
    )
    invalid: int = Field(description="Skipped because of `on_invalid=skip`.")
    errors: list[dict[str, Any]] = Field(description="What is wrong with the first 100 skipped labels.")


class LabelCountsOut(BaseModel):
    """Labels that trainings learn from: yours, or those of all tenants for a key with the scope admin or observe."""

    labels: int
    items: int = Field(description="Different items, by their words and their picture.")
    corrections: int
    confirmations: int
    conflicts: int = Field(description="Items with more than one code.")
    codes: dict[str, int] = Field(description="Labels by code, of the 1,000 codes that have most.")
    other_codes: int = Field(description="How many more codes have labels.")
    newest: datetime | None = Field(description="When the latest labels were accepted.")

"""Categories as clients send and see them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from shared.stores.taxonomy_in_force import CategoryState
from shared.taxonomy.changes import CategoryChangeKind


class TaxonomyIn(BaseModel):
    """A whole taxonomy: the columns of its table are the members of each category, all of them texts."""

    model_config = ConfigDict(extra="allow")  # read by `shared.taxonomy`: this is for the document

    categories: list[dict[str, str]] = Field(
        min_length=1,
        description="Each has `code` and `name`, and may have `parent`, `guideline`, `name:LANGUAGE` such as "
        "`name:en`, `moved_to` (the code of the category that it is merged into), `retired` (`yes`), and its codes in "
        "other taxonomies: `google`, `gs1`, `map:NAME`.",
    )


class TaxonomyCategoryOut(BaseModel):
    code: str
    name: str
    names: dict[str, str] = Field(description="The name in other languages, such as `en`.")
    parent: str | None = Field(description="The code of the category above; null at the root.")
    guideline: str | None = Field(description="What belongs in the category, in words for the people who choose it.")
    leaf: bool = Field(description="Whether labels may name it; the others group categories, or are used no more.")
    state: CategoryState = Field(
        description="`served`: answers name it; `untrained`: only labels do, until a training has learned it; `merged` "
        "and `retired`: it is used no more; `group`: it holds other categories."
    )
    moved_to: str | None = Field(description="The code of the category that it was merged into.")
    elsewhere: dict[str, str] = Field(description="Its codes in other taxonomies, such as `google`.")
    share: float | None = Field(
        description="The share of the answers to the model's validation split that name it or a category merged into "
        "it, from 0 to 1; null if it is not served, or the model in service has no such figures."
    )
    precision: float | None = Field(
        description="The share of these answers that are right, from 0 to 1; null where `share` is, where there are "
        "fewer than 5 such answers, where another category was merged into it since the model was trained, and for a "
        "model whose training did not count it."
    )
    labels: int | None = Field(
        description="The labels that it has, while it is untrained: yours, or those of all tenants for a key with the "
        "scope admin or observe. Null in other states."
    )


class TaxonomyOut(BaseModel):
    digest: str = Field(description="Names the content: `If-Match` takes it, in quotes.")
    number: int = Field(description="Its number in the history; 0 if it is the one of the model in service.")
    bundle: str | None = Field(
        description="The bundle in service, which the states are about; null before there is one."
    )
    categories: list[TaxonomyCategoryOut] = Field(description="In the taxonomy's own order.")


class CategoryChangeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kind: CategoryChangeKind
    code: str
    detail: str = Field(description="The change in words.")
    needs_training: bool = Field(description="Whether answers can name the category only after a training.")


class TaxonomyChangesOut(BaseModel):
    """What a taxonomy changes, or would change, of the one that was in force."""

    digest: str = Field(description="Names the content of the taxonomy that was sent.")
    number: int = Field(description="The number of the taxonomy in force now; 0 if it is that of the model in service.")
    changed: bool = Field(description="Whether it is in force now and was not before.")
    changes: list[CategoryChangeOut] = Field(description="The first 1,000 changes.")
    not_listed: int = Field(description="How many further changes there are.")
    counts: dict[CategoryChangeKind, int] = Field(description="Changes of each kind, those not listed included.")
    needs_training: bool = Field(
        description="Whether anything needs a training to take effect; what does not is in effect within seconds."
    )


class TaxonomyAcceptanceOut(BaseModel):
    number: int
    at: datetime
    by: str | None = Field(
        description="Tenant and key id; null for another tenant's, unless your key has the scope admin or observe."
    )
    digest: str
    replaces: int = Field(description="The number of the one before; 0 if that was the one of the model in service.")
    changes: dict[CategoryChangeKind, int] = Field(description="How many categories changed in each way.")


class TaxonomyHistoryOut(BaseModel):
    history: list[TaxonomyAcceptanceOut] = Field(description="The latest first.")
    next_cursor: int | None = Field(description="Pass it as `cursor` for the next page; null on the last one.")

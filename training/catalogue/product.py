"""A row of the imported catalogue, and the reasons why one is dropped."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FindingReason(StrEnum):
    """Why a row was dropped or lost its picture."""

    NO_LABEL = "no_label"
    UNKNOWN_CODE = "unknown_code"
    INNER_CATEGORY = "inner_category"
    """The label is on a category that has others below it."""
    RETIRED_CATEGORY = "retired_category"
    DUPLICATE_PRODUCT = "duplicate_product"
    EMPTY = "empty"
    PICTURE_MISSING = "picture_missing"
    PICTURE_UNREADABLE = "picture_unreadable"


class Finding(NamedTuple):
    """A row that was dropped or changed."""

    row: int
    id: str
    reason: FindingReason
    detail: str


@dataclass(frozen=True, slots=True)
class Product:
    """A row of products.parquet: an absent text is None, `picture` is the sha256 of its bytes or None."""

    row: int
    id: str
    title: str | None
    description: str | None
    category: str
    """The code of the category that it is labelled with."""
    picture: str | None = None
    picture_file: str | None = None
    """The picture as its source names it: a file or a URL; this is not kept in products.parquet."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to classify by."""
        return self.title is None and self.description is None and self.picture is None

    def finding(self, reason: FindingReason, detail: str) -> Finding:
        """Return a finding about this row."""
        return Finding(self.row, self.id, reason, detail)

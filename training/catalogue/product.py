"""A row of the imported catalogue, and the reasons why one is dropped."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from training.catalogue.challenge import PICTURES_FOLDER, picture_name


class FindingReason(StrEnum):
    """Why a row was dropped or lost its picture."""

    NO_LABEL = "no_label"
    UNKNOWN_CODE = "unknown_code"
    DUPLICATE_PRODUCT = "duplicate_product"
    EMPTY = "empty"
    PICTURE_MISSING = "picture_missing"
    PICTURE_UNREADABLE = "picture_unreadable"


class Finding(NamedTuple):
    """A row that was dropped or changed."""

    row: int
    productid: int
    reason: FindingReason
    detail: str


@dataclass(frozen=True, slots=True)
class Product:
    """A row of products.parquet: an absent text is None, `picture` is the sha256 of its bytes or None."""

    row: int
    designation: str | None
    description: str | None
    productid: int
    imageid: int
    prdtypecode: int
    picture: str | None = None

    @property
    def picture_file(self) -> str:
        """The picture's path in the challenge's files, relative to the source."""
        return f"{PICTURES_FOLDER}/{picture_name(self.imageid, self.productid)}"

    @property
    def empty(self) -> bool:
        """Whether there is nothing to classify by."""
        return self.designation is None and self.description is None and self.picture is None

    def finding(self, reason: FindingReason, detail: str) -> Finding:
        """Return a finding about this row."""
        return Finding(self.row, self.productid, reason, detail)

"""A row of the imported catalogue, and what can be wrong with one."""

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
    """One row that was not taken as it is."""

    row: int
    productid: int
    reason: FindingReason
    detail: str


@dataclass(frozen=True, slots=True)
class Product:
    """A row of products.parquet; texts are None when absent, `picture` is the sha256 of its bytes or None."""

    row: int
    designation: str | None
    description: str | None
    productid: int
    imageid: int
    prdtypecode: int
    picture: str | None = None

    @property
    def picture_file(self) -> str:
        """Where the challenge keeps the picture, relative to the source."""
        return f"{PICTURES_FOLDER}/{picture_name(self.imageid, self.productid)}"

    @property
    def empty(self) -> bool:
        """True when there is nothing to classify by."""
        return self.designation is None and self.description is None and self.picture is None

    def finding(self, reason: FindingReason, detail: str) -> Finding:
        """A finding about this row."""
        return Finding(self.row, self.productid, reason, detail)

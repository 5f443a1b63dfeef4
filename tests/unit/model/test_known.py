"""What a bundle's training knew comes back as it was written."""

from pathlib import Path

import numpy as np
import pytest

from shared.model.known import KnownItems
from tests.rakuten import CODES


@pytest.mark.parametrize(
    "codes", [[], [*CODES], ["SHOE-BOOT", "Femme > Chaussures", "é" * 128]], ids=["none", "27", "texts"]
)
def test_codes_of_every_kind_are_kept(tmp_path: Path, codes: list[str]) -> None:
    path = tmp_path / "known.npz"
    rows = np.arange(2 * len(codes), dtype=np.uint64)
    KnownItems(rows, np.array(codes * 2, np.str_), rows > 1).save(path)
    assert KnownItems.load(path).codes.tolist() == codes * 2


def test_codes_that_an_earlier_release_kept_as_numbers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "known.npz"
    rows = np.arange(2, dtype=np.uint64)
    np.savez(path, identities=rows, codes=np.array([10, 65_546]), learned=rows > 0)
    assert KnownItems.load(path).codes.tolist() == ["10", "65546"]


@pytest.mark.parametrize(("categories", "width"), [(27, 1), (256, 1), (257, 2), (5_000, 2), (70_000, 4)])
def test_a_row_takes_as_few_bytes_as_the_number_of_categories_allows(
    tmp_path: Path, categories: int, width: int
) -> None:
    path = tmp_path / "known.npz"
    rows = np.arange(categories, dtype=np.uint64)
    KnownItems(rows, np.array([f"c{number}" for number in range(categories)]), rows > 1).save(path)
    with np.load(path) as arrays:
        assert arrays["codes"].itemsize == width

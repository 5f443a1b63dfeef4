"""Reading the challenge's tables: what is accepted, and what is refused with its place."""

from pathlib import Path

import pytest

from training.catalogue.challenge import Source
from training.catalogue.errors import CatalogueError

COLUMNS = ("designation", "productid")
SOUND = b',designation,description,productid\n7,Th\xc3\xa9 vert,,12\n3,"Lot, de\n2",x,13\n'


def read_table(folder: Path, content: bytes) -> dict[int, list[str]]:
    (folder / "X.csv").write_bytes(content)
    return Source(str(folder)).read_table("X.csv", COLUMNS)


@pytest.mark.parametrize(
    "content", [SOUND, b"\xef\xbb\xbf" + SOUND, SOUND + b"\n\n", SOUND.replace(b"\n", b"\r\n").replace(b"de\r", b"de")]
)
def test_cells_come_by_row_number_in_the_files_order(tmp_path: Path, content: bytes) -> None:
    table = read_table(tmp_path, content)
    assert list(table.items()) == [(7, ["Thé vert", "12"]), (3, ["Lot, de\n2", "13"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "X.csv has no column designation after the row number; it is empty. The source must hold"),
        (b",designation\n1,a\n", "X.csv has no column productid after the row number; the first line has 2 cells"),
        (b"designation,productid\na,1\n", "X.csv has no column designation after the row number"),
        (SOUND + b"8,a,,14,15\n", "X.csv, record 3: 5 cells instead of 4"),
        (SOUND + b"8,a\n", "X.csv, record 3: 2 cells instead of 4"),
        (SOUND + b"x,a,,14\n", "X.csv, record 3, row number .*: this is not a whole number"),
        (SOUND + b"-1,a,,14\n", "X.csv, record 3, row number .*: this is not a whole number"),
        (SOUND + b"7,a,,14\n", "X.csv, record 3: row number 7 occurs twice"),
        (SOUND + b"8,caf\xe9,,14\n", "X.csv is not a UTF-8 CSV file: bytes that are not UTF-8 .* Download it again"),
        (
            SOUND + b'8,"never closed',
            "X.csv is not a UTF-8 CSV file: a misplaced quote or NUL after line 5. Download it again",
        ),
    ],
)
def test_a_malformed_table_is_refused_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        read_table(tmp_path, content)


SECRET = "geheim"
"""Stands for what a file holds that is no catalogue."""


@pytest.mark.parametrize(
    "content",
    [
        f"root:{SECRET}:0:0\n",
        f",designation,productid\n{SECRET},a,1\n",
        f",designation,productid\n1,{SECRET},2,3\n",
        f',designation,productid\n1,"{SECRET}',
        f",designation,productid\n1,{SECRET}\xff",
    ],
)
def test_messages_show_nothing_of_what_was_read(tmp_path: Path, content: str) -> None:
    with pytest.raises(CatalogueError) as raised:
        read_table(tmp_path, content.encode("latin-1"))
    assert SECRET not in str(raised.value)


def test_places_are_shown_without_passwords_and_signatures() -> None:
    with pytest.raises(CatalogueError) as raised:
        Source(f"nosuch://user:{SECRET}@host/folder?signature={SECRET}")
    assert "nosuch://host/folder cannot be opened" in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CatalogueError, match=f"X.csv is missing in {tmp_path}. The source must hold X_train_update.csv"
    ):
        Source(str(tmp_path)).read_table("X.csv", COLUMNS)


@pytest.mark.parametrize("url", ["nosuch://bucket/catalogue", "zip://::/no/such/file.zip"])
def test_a_source_that_cannot_be_opened_is_refused(url: str) -> None:
    with pytest.raises(CatalogueError, match=f"The source {url} cannot be opened: .* Name a folder or fsspec URL"):
        Source(url)

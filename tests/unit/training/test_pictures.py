"""The pictures' file: streamed in row groups, read back in order."""

from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from training.catalogue.pictures import ROW_GROUP, Picture, PictureWriter, iter_pictures


def test_pictures_are_written_in_row_groups_and_read_back_in_order(tmp_path: Path) -> None:
    pictures = [Picture(sha256(str(number).encode()).hexdigest(), b"x" * number) for number in range(2 * ROW_GROUP + 9)]
    with PictureWriter(tmp_path / "pictures.parquet") as writer:
        for picture in pictures:
            writer.add(picture)
            writer.add(pictures[0])
    metadata = pq.read_metadata(tmp_path / "pictures.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [256, 256, 9]
    assert writer.count == len(pictures)
    assert list(iter_pictures(tmp_path / "pictures.parquet")) == pictures


def test_a_file_without_pictures_reads_as_none(tmp_path: Path) -> None:
    with PictureWriter(tmp_path / "pictures.parquet"):
        pass
    assert list(iter_pictures(tmp_path / "pictures.parquet")) == []


def test_a_file_that_is_not_there_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"pictures\.parquet"):
        next(iter_pictures(tmp_path / "pictures.parquet"))

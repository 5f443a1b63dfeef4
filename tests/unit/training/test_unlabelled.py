from pathlib import Path

import pandas as pd
import pytest

from training.catalogue.errors import CatalogueError
from training.catalogue.unlabelled import import_unlabelled


def imported(tmp_path: Path, name: str, content: str) -> list[tuple[object, ...]]:
    source = tmp_path / name
    source.write_text(content, encoding="utf-8")
    count = import_unlabelled([str(source)], tmp_path / "texts.parquet")
    texts = pd.read_parquet(tmp_path / "texts.parquet")
    assert count == len(texts)
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in texts.itertuples(index=False)]


def test_the_challenges_test_file_is_read(tmp_path: Path) -> None:
    content = ',designation,description,productid\n0,Épée,"en bois,\nronde",1\n1,Lampe,,2\n'
    assert imported(tmp_path, "X.csv", content) == [("Épée", "en bois,\nronde"), ("Lampe", None)]


def test_json_lines_of_unlabelled_texts_are_read(tmp_path: Path) -> None:
    content = '{"text": "Lampe - ronde", "lang": "fr"}\n\n{"designation": "Épée", "description": "en bois"}\n'
    assert imported(tmp_path, "x.jsonl", content) == [("Lampe - ronde", None), ("Épée", "en bois")]


def test_no_files_give_no_texts(tmp_path: Path) -> None:
    assert import_unlabelled([], tmp_path / "texts.parquet") == 0
    assert pd.read_parquet(tmp_path / "texts.parquet").columns.tolist() == ["title", "description"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", '{"text": "a"}\n{"title": "b"}\n', r"x\.jsonl, line 2"),
        ("x.jsonl", '{"text": "a"}\nno json\n', r"x\.jsonl, line 2"),
        ("x.csv", "title,description\na,b\n", "no column designation"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        imported(tmp_path, name, content)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
@pytest.mark.parametrize(
    "content", ["root:geheim:0", '{"geheim": 1}', '["geheim"]', 'designation\n"geheim', "geheim\xff"]
)
def test_messages_show_nothing_of_what_was_read(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(CatalogueError) as raised:
        import_unlabelled([str(tmp_path / name)], tmp_path / "texts.parquet")
    assert "geheim" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"There is no file .*nowhere\.csv"):
        import_unlabelled([str(tmp_path / "nowhere.csv")], tmp_path / "texts.parquet")

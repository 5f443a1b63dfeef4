"""The command-line client against the running service."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stack.services import Stack
from training.sample.catalogue import generate

WIDE = {**os.environ, "COLUMNS": "300"}
"""The environment of a terminal in which no title is cut off."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    generate(folder, per_type=4, test_items=30)
    return folder


def _catalog(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catalog_client", *arguments, "--url", stack.url]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=WIDE)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_with_pictures_goes_in_and_predictions_come_out(stack: Stack, sample: Path, tmp_path: Path) -> None:
    output = tmp_path / "results.csv"
    pictures = str(sample / "images/image_test")
    table = str(sample / "X_test_update.csv")
    ran = _catalog(stack, "submit", table, "--pictures", pictures, "--output", str(output))
    assert ran.returncode == 0, ran.stderr
    assert "completed: 30 classified" in ran.stderr
    rows = _rows(output)
    assert [row["id"] for row in rows] == [row[""] for row in _rows(sample / "X_test_update.csv")]
    assert all(row["status"] == "succeeded" and row["code"] for row in rows)
    unsure = [row for row in rows if row["needs_review"] == "true"]
    assert f"{len(unsure)} of 30 need a look" in ran.stderr
    assert {row["needs_review"] for row in rows} <= {"true", "false"}

    job = ran.stderr.split("job ")[1].split(":")[0]
    challenge = tmp_path / "challenge.csv"
    assert _catalog(stack, "results", job, "--challenge", "--output", str(challenge)).returncode == 0
    expected = [{"row": row["id"], "prdtypecode": row["code"]} for row in rows]
    assert _rows(challenge) == expected
    assert '"state": "completed"' in _catalog(stack, "status", job).stdout


def test_one_product_is_predicted(stack: Stack, sample: Path) -> None:
    picture = next((sample / "images/image_test").glob("*.jpg"))
    ran = _catalog(stack, "predict", "Poupée en bois", "--image", str(picture))
    assert ran.returncode == 0, ran.stderr
    assert "%" in ran.stdout


def test_errors_are_sentences_without_a_traceback(stack: Stack, tmp_path: Path) -> None:
    table = tmp_path / "items.ndjson"
    table.write_text('{"id": "a", "title": "A"}\n{"id": "b"}\n')
    refused = _catalog(stack, "submit", str(table))
    assert refused.returncode == 1
    assert "line 2 (id b)" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "There is no job nope" in _catalog(stack, "status", "nope").stderr
    command = [sys.executable, "-m", "catalog_client", "status", "x", "--url", "http://127.0.0.1:9"]
    away = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (away.returncode, "cannot be reached" in away.stderr) == (3, True)


def test_a_title_in_brackets_is_shown_as_it_was_sent(stack: Stack, tmp_path: Path) -> None:
    table = tmp_path / "items.csv"
    table.write_text("id,title\n1,[neuf] Console [/promo]\n")
    ran = _catalog(stack, "submit", str(table))
    assert ran.returncode == 0, ran.stderr
    assert "[neuf] Console [/promo]" in ran.stdout
    assert "the first is [neuf] Console [/promo]" in ran.stderr


def test_a_table_of_a_shop_comes_back_with_its_own_columns(stack: Stack, tmp_path: Path) -> None:
    table, output = tmp_path / "export.csv", tmp_path / "results.csv"
    table.write_bytes("Réf;Libellé;Prix;status\r\nb;Épée en bois;-9,5;=1+1\r\na;Livre;;\r\n;;;\r\n".encode("cp1252"))
    mapped = ("--map", "id=Réf", "--map", "title=Libellé")
    ran = _catalog(stack, "submit", str(table), *mapped, "--output", str(output))
    assert ran.returncode == 0, ran.stderr
    notice = "read as Windows-1252; cells are separated by semicolons; your own columns, which come back"
    assert f"{table}: {notice} with the results: Prix, status" in ran.stderr
    sword, book = _rows(output)
    assert [sword[name] for name in ("Réf", "Libellé", "Prix", "status")] == ["b", "Épée en bois", "-9,5", "'=1+1"]
    assert [book[name] for name in ("Réf", "Prix", "result_status")] == ["a", "", "succeeded"]
    assert "id" not in book

    (job,) = re.findall(r"job (\w+):", ran.stderr)
    again = tmp_path / "again.csv"  # without the table
    assert _catalog(stack, "results", job, "--output", str(again)).returncode == 0
    assert [[row[name] for name in ("id", "result_status", "Prix", "status")] for row in _rows(again)] == [
        ["b", "succeeded", "-9,5", "'=1+1"],
        ["a", "succeeded", "", ""],
    ]


def test_a_table_comes_from_a_pipe(stack: Stack) -> None:
    command = [sys.executable, "-m", "catalog_client", "submit", "-", "--url", stack.url]
    table = b"id\ttitle\n1\tLivre\n2\tLampe\n"
    ran = subprocess.run(command, input=table, capture_output=True, check=False, env=WIDE)
    assert ran.returncode == 0, ran.stderr
    assert b"2 items accepted" in ran.stderr
    assert b"standard input: cells are separated by tabs" in ran.stderr


@pytest.mark.parametrize(
    ("content", "options", "message", "status"),
    [
        (b'id,title\n1,"Livre\n', (), "a quote in the record that begins in line 2 is not closed", 1),
        (b"id,title\n1,Livre\n", ("--map", "title"), "expected FIELD=COLUMN", 2),
        (b"id,title\n1,Livre\n", ("--output", "nowhere/results.csv"), "there is no folder nowhere", 2),
        (b"id,title\n1,Livre\n", ("--url", "127.0.0.1:5000"), "begin it with http://", 2),
        (b"ean,prix\n1,2\n", (), "[import] items.csv: columns", 1),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(
    stack: Stack, tmp_path: Path, content: bytes, options: tuple[str, ...], message: str, status: int
) -> None:
    table = tmp_path / "[import] items.csv"
    table.write_bytes(content)
    command = [sys.executable, "-m", "catalog_client", "submit", str(table), "--url", stack.url, *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=WIDE)
    assert ran.returncode == status
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "job " not in ran.stderr


def test_a_source_is_named_and_a_path_is_refused(stack: Stack) -> None:
    listed = _catalog(stack, "sources")
    assert (listed.returncode, listed.stdout) == (0, "")
    ran = _catalog(stack, "train", "--source", "/made/up", "--unlabelled", "texts")
    assert ran.returncode == 1
    assert "there is no source '/made/up'" in ran.stderr
    assert "CATALOG_TRAINING_SOURCES" in ran.stderr

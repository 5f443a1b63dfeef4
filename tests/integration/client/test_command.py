"""The command-line client against the running service."""

import csv
import os
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
    assert all(row["status"] == "succeeded" and row["prdtypecode"] for row in rows)
    unsure = [row for row in rows if row["needs_review"] == "true"]
    assert f"{len(unsure)} of 30 need a look" in ran.stderr
    assert {row["needs_review"] for row in rows} <= {"true", "false"}

    job = ran.stderr.split("job ")[1].split(":")[0]
    challenge = tmp_path / "challenge.csv"
    assert _catalog(stack, "results", job, "--challenge", "--output", str(challenge)).returncode == 0
    expected = [{"row": row["id"], "prdtypecode": row["prdtypecode"]} for row in rows]
    assert _rows(challenge) == expected
    assert '"state": "completed"' in _catalog(stack, "status", job).stdout


def test_one_product_is_predicted(stack: Stack, sample: Path) -> None:
    picture = next((sample / "images/image_test").glob("*.jpg"))
    ran = _catalog(stack, "predict", "Poupée en bois", "--image", str(picture))
    assert ran.returncode == 0, ran.stderr
    assert "%" in ran.stderr


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
    assert (away.returncode, "cannot be reached" in away.stderr) == (1, True)


def test_a_title_in_brackets_is_shown_as_it_was_sent(stack: Stack, tmp_path: Path) -> None:
    table = tmp_path / "items.csv"
    table.write_text("id,title\n1,[neuf] Console [/promo]\n")
    ran = _catalog(stack, "submit", str(table))
    assert ran.returncode == 0, ran.stderr
    assert "[neuf] Console [/promo]" in ran.stderr


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("id,title\n1,Épée\n".encode("cp1252"), (), "not a text in UTF-8"),
        (b"id,title\n1,Livre\n", ("--output", "nowhere/results.csv"), "there is no folder nowhere"),
        (b"id,title\n1,Livre\n", ("--url", "127.0.0.1:5000"), "begin it with http://"),
        (b"ean,prix\n1,2\n", (), "[import] items.csv: columns"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(
    stack: Stack, tmp_path: Path, content: bytes, options: tuple[str, ...], message: str
) -> None:
    table = tmp_path / "[import] items.csv"
    table.write_bytes(content)
    command = [sys.executable, "-m", "catalog_client", "submit", str(table), "--url", stack.url, *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=WIDE)
    assert ran.returncode in (1, 2)
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

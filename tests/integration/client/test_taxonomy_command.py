"""`catalog taxonomy` and the library's methods against the API as a process; the test plays the worker."""

import asyncio
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import Workbook
from redis import Redis

from catalog_client import AsyncCatalog, Catalog, ProblemError, TableError
from shared.settings import ROOT
from shared.stores.taxonomy_in_force import PublishedTaxonomies
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.integration.taxonomy.conftest import BUNDLE

WIDE = {**os.environ, "COLUMNS": "200"}


@pytest.fixture(scope="module")
def url(redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Redis(port=redis_port) as redis:
        redis.flushall()
        PublishedTaxonomies(redis, 90).publish(BUNDLE, taken_over=True)
    ports = Ports(redis=redis_port, api=free_port(), mlflow=None)
    stack = Stack(ROOT, tmp_path_factory.mktemp("api"), ports, {"CATALOG_CONFIRM_ON_DISK": "false"})
    process = stack.start_api()
    yield stack.url
    process.stop()


@pytest.fixture
def table(url: str, tmp_path: Path) -> Path:
    """The taxonomy in force, as a table."""
    path = tmp_path / "categories.csv"
    with Catalog(url) as catalog:
        catalog.save_taxonomy(path)
    return path


def _catalog(url: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catalog_client", "taxonomy", *map(str, arguments), "--url", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=WIDE)


def _changed(table: Path, before: str, after: str) -> Path:
    text = table.read_text()
    assert before in text
    table.write_text(text.replace(before, after))
    return table


def test_the_tree_is_shown_and_saved(url: str, tmp_path: Path) -> None:
    shown = _catalog(url, "show")
    assert (shown.returncode, "BOOT Bottes" in shown.stdout) == (0, True), shown.stderr
    assert shown.stdout.index("SHOES Chaussures") < shown.stdout.index("BOOT Bottes") < shown.stdout.index("HAT")

    saved = _catalog(url, "show", "-o", tmp_path / "saved.csv")
    document = json.loads(_catalog(url, "show", "--json").stdout)
    assert f"--if-match {document['digest']}" in saved.stderr
    with (tmp_path / "saved.csv").open(newline="") as file:
        assert [row["code"] for row in csv.DictReader(file)] == [each["code"] for each in document["categories"]]


def test_faults_are_named_by_line_and_nothing_is_changed(url: str, table: Path) -> None:
    _changed(table, "CLOG,Sabots", "BOOT,")
    before = _catalog(url, "show", "--json").stdout

    checked = _catalog(url, "check", table)

    assert checked.returncode == 1
    assert "line 4: the name is empty" in checked.stderr
    assert "line 4: the code 'BOOT' is already that of line 3" in checked.stderr
    assert _catalog(url, "put", table).returncode == 1
    assert _catalog(url, "show", "--json").stdout == before


def test_a_change_is_compared_put_and_remembered(url: str, table: Path) -> None:
    digest = json.loads(_catalog(url, "show", "--json").stdout)["digest"]
    _changed(table, "Bottes", "Bottes et bottines")

    compared = _catalog(url, "diff", table)
    assert compared.stdout == "renamed: BOOT (Bottes et bottines) was called 'Bottes'\n"
    checked = _catalog(url, "check", table)
    assert (checked.returncode, "can be put: 1 renamed" in checked.stderr) == (0, True)

    put = _catalog(url, "put", table, "--if-match", digest)
    assert (put.returncode, put.stdout) == (0, compared.stdout), put.stderr
    again = _catalog(url, "put", table)
    assert (again.returncode, "as it was before" in again.stderr) == (0, True)
    late = _catalog(url, "put", _changed(table, "bottines", "bottillons"), "--if-match", digest)
    assert (late.returncode, "not the one that If-Match names" in late.stderr) == (1, True)
    listed = json.loads(_catalog(url, "history", "--json").stdout)["history"]
    assert listed[0]["changes"] == {"renamed": 1}
    assert "1 renamed" in _catalog(url, "history").stdout


def test_wrong_usage_is_told_from_a_service_that_is_away(url: str, tmp_path: Path) -> None:
    assert _catalog(url, "check", tmp_path / "none.csv").returncode == 2
    (tmp_path / "there.csv").write_text("code,name\nA,One\n")
    assert _catalog("http://127.0.0.1:9", "check", tmp_path / "there.csv").returncode == 3


def _rows(table: Path) -> list[list[str]]:
    with table.open(newline="") as file:
        return list(csv.reader(file))


def test_a_table_may_have_any_form(url: str, table: Path, tmp_path: Path) -> None:
    heading, *rows = _rows(table)
    records = [dict(zip(heading, row, strict=True)) for row in rows]
    book = Workbook()
    for row in [heading, *rows]:
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    (tmp_path / "list.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "one.json").write_text(json.dumps({"categories": records}))
    text = "\r\n".join(";".join(row) for row in [heading, *rows])
    (tmp_path / "excel.csv").write_bytes(text.encode("cp1252"))

    with Catalog(url) as catalog:
        digest = catalog.taxonomy().digest
        for name in ("book.xlsx", "list.ndjson", "one.json", "excel.csv", "categories.csv"):
            assert catalog.compare_taxonomy(tmp_path / name).digest == digest, name
        assert catalog.compare_taxonomy(records).digest == digest


def test_lines_of_a_workbook_keep_their_numbers(url: str, tmp_path: Path) -> None:
    book = Workbook()
    for row in (["code", "name", "guideline"], ["A", "One", "two\nlines"], [], ["B", None, "second"]):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")

    with Catalog(url) as catalog, pytest.raises(ProblemError) as error:
        catalog.compare_taxonomy(tmp_path / "book.xlsx")

    assert [(entry["line"], entry["detail"]) for entry in error.value.errors] == [(4, "the name is empty")]


def test_a_file_that_cannot_be_read_is_an_error_of_the_table(url: str, tmp_path: Path) -> None:
    (tmp_path / "open.csv").write_text('code,name\nA,"One\n')
    with Catalog(url) as catalog:
        for name in ("open.csv", "none.csv"):
            with pytest.raises(TableError, match=name):
                catalog.compare_taxonomy(tmp_path / name)


def test_asyncio_has_the_same(url: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with AsyncCatalog(url) as catalog:
            taxonomy = await catalog.taxonomy()
            await catalog.save_taxonomy(tmp_path / "saved.csv")
            changes = await catalog.put_taxonomy(tmp_path / "saved.csv", digest=taxonomy.digest)
            assert (changes.changed, changes.changes) == (False, ())
            assert (await catalog.compare_taxonomy(tmp_path / "saved.csv")).digest == taxonomy.digest
            assert len(await catalog.taxonomy_history(limit=1)) <= 1

    asyncio.run(work())


def test_a_code_that_is_the_path_to_its_name_is_shown_once(url: str, table: Path) -> None:
    heading, *_ = _rows(table)
    row = {"code": "Maison > Bols", "name": "Bols"}
    with table.open("a", newline="") as file:
        csv.DictWriter(file, heading, restval="").writerow(row)
    assert _catalog(url, "put", table).returncode == 0
    (line,) = [line for line in _catalog(url, "show").stdout.splitlines() if "Bols" in line]
    assert "Maison > Bols untrained" in line

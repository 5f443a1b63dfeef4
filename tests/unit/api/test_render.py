"""Every form of the results says the same."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from api.jobs.files import COLUMNS, csv_table, ndjson, parquet_table, raw_csv_table
from api.jobs.render import result_out
from api.lifecycle.names import NameOf
from shared.ledger import Decided, Guess, ItemStatus, Outcome, Sent
from shared.taxonomy import RAKUTEN

OUTCOMES = [
    Outcome(0, "sure", guesses=(Guess("10", 0.98), Guess("40", 0.01)), path=(Guess("books", 0.99),), sure=2),
    Outcome(
        1,
        "unsure",
        guesses=(Guess("10", 0.41), Guess("40", 0.4)),
        needs_review=True,
        path=(Guess("books", 0.9),),
        sure=1,
    ),
    Outcome(2, "again", guesses=(Guess("10", 0.97), Guess("40", 0.02)), cached=True, sure=1),
    Outcome(3, "broken", ItemStatus.FAILED, error="image_unreadable", message="not a picture"),
]
NAME_OF = RAKUTEN.name_of


def names_of(_: str) -> NameOf:
    return NAME_OF


FOUND = [("v1", outcome, Sent(), None) for outcome in OUTCOMES]
RESULTS = [result_out("v1", outcome, NAME_OF) for outcome in OUTCOMES]


def test_a_failed_item_has_neither_a_category_nor_a_need_for_review() -> None:
    assert [result.needs_review for result in RESULTS] == [False, True, False, None]


def test_ndjson_and_csv_have_needs_review() -> None:
    lines = [json.loads(line) for line in b"".join(ndjson([FOUND[:2], FOUND[2:]], names_of)).splitlines()]
    assert [line["needs_review"] for line in lines] == [False, True, False, None]
    rows = list(csv.DictReader(b"".join(csv_table([FOUND[:2], FOUND[2:]], names_of)).decode().splitlines()))
    assert [row["needs_review"] for row in rows] == ["false", "true", "false", ""]
    assert [row["confidence"] for row in rows] == ["0.98", "0.41", "0.97", ""]


def test_a_code_that_nobody_knows_any_more_is_shown_as_it_is() -> None:
    unknown = "999999"
    outcome = Outcome(0, "old", guesses=(Guess(unknown, 0.9), Guess("40", 0.1)), text=Guess(unknown, 0.8))
    found = ("v1", outcome, Sent(), None)
    result = result_out("v1", outcome, NAME_OF)
    assert result.category is not None
    assert (result.category.code, result.category.name) == (unknown, unknown)
    for written in (csv_table, raw_csv_table):
        (row,) = csv.DictReader(b"".join(written([[found]], names_of)).decode().splitlines())
        assert (row["code"], row["category"]) == (unknown, unknown)
    assert json.loads(b"".join(ndjson([[found]], names_of)))["category"]["name"] == unknown
    table = pq.read_table(io.BytesIO(b"".join(parquet_table([[found]], names_of))))
    assert table.column("category").to_pylist() == ["999999"]


def test_every_format_says_which_categories_of_the_path_are_sure() -> None:
    paths = [["books", "10"], ["books", "10"], ["10"], None]
    sure = ["10", "books", "10", None]
    for lines in (json.loads(line) for line in b"".join(ndjson([FOUND], names_of)).splitlines()):
        category, place = lines["category"], lines["index"]
        assert (category and [above["code"] for above in category["path"]]) == paths[place]
        assert (category and category["sure"]["code"]) == sure[place]
    unsure = RESULTS[1].category
    assert unsure is not None
    assert [(above.name, above.confidence) for above in unsure.path] == [
        ("Livres et presse", 0.9),
        ("Livres d'occasion", 0.41),
    ]
    table = pq.read_table(io.BytesIO(b"".join(parquet_table([FOUND], names_of))))
    assert table.column("sure_code").to_pylist() == sure
    assert table.column("sure").to_pylist() == ["Livres d'occasion", "Livres et presse", "Livres d'occasion", None]
    told = "Livres et presse > Livres d'occasion"
    assert table.column("path").to_pylist() == [told, told, "Livres d'occasion", None]
    rows = list(csv.DictReader(b"".join(csv_table([FOUND], names_of)).decode().splitlines()))
    assert [(row["sure_code"], row["path"]) for row in rows[1:]] == [
        ("books", told),
        ("10", "Livres d'occasion"),
        ("", ""),
    ]


def test_of_an_answer_without_anything_sure_nothing_is_told_as_sure() -> None:
    result = result_out(
        "v1", Outcome(0, "x", guesses=(Guess("10", 0.3),), needs_review=True, path=(Guess("books", 0.5),)), NAME_OF
    )
    assert result.category is not None
    assert result.category.sure is None


def test_every_format_says_which_results_are_provisional() -> None:
    found = [("v1", Outcome(n, str(n), guesses=(Guess("10", 0.5),), provisional=n == 1), Sent(), None) for n in (0, 1)]
    lines = [json.loads(line) for line in b"".join(ndjson([found], names_of)).splitlines()]
    shown, raw = (
        list(csv.DictReader(b"".join(write([found], names_of)).decode().splitlines()))
        for write in (csv_table, raw_csv_table)
    )
    table = pq.read_table(io.BytesIO(b"".join(parquet_table([found], names_of))))
    assert [line["provisional"] for line in lines] == table.column("provisional").to_pylist() == [False, True]
    assert [row["provisional"] for row in shown] == [row["provisional"] for row in raw] == ["false", "true"]


def test_every_format_says_which_results_are_cached() -> None:
    cached = [False, False, True, False]
    assert [result.cached for result in RESULTS] == cached
    assert [json.loads(line)["cached"] for line in b"".join(ndjson([FOUND], names_of)).splitlines()] == cached
    (heading, *rows) = csv.reader(b"".join(csv_table([FOUND], names_of)).decode().splitlines())
    assert heading == list(COLUMNS)
    assert [row[heading.index("cached")] for row in rows] == ["false", "false", "true", "false"]
    table = pq.read_table(io.BytesIO(b"".join(parquet_table([FOUND], names_of))))
    assert table.column("cached").to_pylist() == cached


@pytest.mark.parametrize("text", ["=1+1", "+33", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_csv_shows_a_spreadsheet_no_formula_and_programs_every_text_as_it_is(text: str) -> None:
    found = [("-v1", Outcome(0, text, ItemStatus.FAILED, error="image_unreadable", message=text), Sent(), None)]
    (shown,) = csv.DictReader(io.StringIO(b"".join(csv_table([found], names_of)).decode(), newline=""))
    (raw,) = csv.DictReader(io.StringIO(b"".join(raw_csv_table([found], names_of)).decode(), newline=""))
    assert (shown["id"], shown["message"], shown["bundle"]) == (f"'{text}", f"'{text}", "'-v1")
    assert (raw["id"], raw["message"], raw["bundle"]) == (text, text, "-v1")


def test_csv_leaves_our_numbers_and_harmless_texts_as_they_are() -> None:
    found = [("v1", Outcome(-1, "a=b", guesses=(Guess("10", -0.5),)), Sent(), None)]
    (shown,) = csv.DictReader(b"".join(csv_table([found], names_of)).decode().splitlines())
    assert (shown["index"], shown["id"], shown["confidence"]) == ("-1", "a=b", "-0.5")


DECIDED = [
    Decided("1800000000000000-000000", "40", "anna"),
    Decided("1800000000500000-000001", None, "ben"),
    None,
    None,
]


def test_every_format_says_what_counts_and_who_decided() -> None:
    found = [("v1", outcome, Sent(), decided) for outcome, decided in zip(OUTCOMES, DECIDED, strict=True)]
    lines = [json.loads(line) for line in b"".join(ndjson([found], names_of)).splitlines()]
    assert [line["final"] and line["final"]["code"] for line in lines] == ["40", None, "10", None]
    assert [line["category"] and line["category"]["code"] for line in lines] == ["10", "10", "10", None]
    assert lines[0]["final"]["name"] == NAME_OF("40")
    by, at = ["person", "person", "model", None], ["2027-01-15T08:00:00Z", "2027-01-15T08:00:00.500000Z", None, None]
    assert [line["decided_by"] for line in lines] == by
    assert [line["decided_at"] for line in lines] == at
    table = pq.read_table(io.BytesIO(b"".join(parquet_table([found], names_of)))).to_pylist()
    rows = list(csv.DictReader(b"".join(csv_table([found], names_of)).decode().splitlines()))
    for line, row, cells in zip(lines, table, rows, strict=True):
        told = line["final"] or {"code": None, "name": None}
        values = [told["code"], told["name"], line["decided_by"], line["decided_at"]]
        columns = ("final_code", "final", "decided_by", "decided_at")
        assert [row[column] for column in columns] == values
        assert [cells[column] for column in columns] == [value or "" for value in values]


def test_tables_and_json_say_the_same_of_each_result() -> None:
    rows = pq.read_table(io.BytesIO(b"".join(parquet_table([FOUND], names_of)))).to_pylist()
    for row, result in zip(rows, RESULTS, strict=True):
        category, error = result.category, result.error
        assert row["code"] == (category and category.code)
        assert row["category"] == (category and category.name)
        assert (row["error"], row["message"]) == ((error.code, error.message) if error else (None, None))
        assert (row["status"], row["needs_review"], row["bundle"]) == (
            result.status,
            result.needs_review,
            result.bundle,
        )

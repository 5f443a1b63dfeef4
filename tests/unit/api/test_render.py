"""Every form of the results says the same."""

import csv
import io
import json

import pyarrow.parquet as pq

from api.jobs.parquet import parquet
from api.jobs.render import COLUMNS, csv_table, ndjson, result_out
from shared.ledger import Guess, ItemStatus, Outcome

OUTCOMES = [
    Outcome(0, "sure", guesses=(Guess(10, 0.98), Guess(40, 0.01))),
    Outcome(1, "unsure", guesses=(Guess(10, 0.41), Guess(40, 0.4)), needs_review=True),
    Outcome(2, "again", guesses=(Guess(10, 0.97), Guess(40, 0.02)), cached=True),
    Outcome(3, "broken", ItemStatus.FAILED, error="image_unreadable", message="not a picture"),
]
RESULTS = [result_out("v1", outcome) for outcome in OUTCOMES]


def test_a_failed_item_has_neither_a_category_nor_a_need_for_review() -> None:
    assert [result.needs_review for result in RESULTS] == [False, True, False, None]


def test_ndjson_and_csv_have_needs_review() -> None:
    lines = [json.loads(line) for line in "".join(ndjson([RESULTS[:2], RESULTS[2:]])).splitlines()]
    assert [line["needs_review"] for line in lines] == [False, True, False, None]
    rows = list(csv.DictReader("".join(csv_table([RESULTS[:2], RESULTS[2:]])).splitlines()))
    assert [row["needs_review"] for row in rows] == ["false", "true", "false", ""]
    assert [row["confidence"] for row in rows] == ["0.98", "0.41", "0.97", ""]


def test_every_format_says_which_results_are_cached() -> None:
    cached = [False, False, True, False]
    assert [result.cached for result in RESULTS] == cached
    assert [json.loads(line)["cached"] for line in "".join(ndjson([RESULTS])).splitlines()] == cached
    (heading, *rows) = csv.reader("".join(csv_table([RESULTS])).splitlines())
    assert heading == list(COLUMNS)
    assert [row[heading.index("cached")] for row in rows] == ["false", "false", "true", "false"]
    table = pq.read_table(io.BytesIO(b"".join(parquet([RESULTS]))))
    assert table.column("cached").to_pylist() == cached

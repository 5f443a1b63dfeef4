"""Every form of the results says the same."""

import csv
import json

from api.render import csv_table, ndjson, result_out
from shared.ledger import Guess, ItemStatus, Outcome

OUTCOMES = [
    Outcome(0, "sure", guesses=(Guess(10, 0.98), Guess(40, 0.01))),
    Outcome(1, "unsure", guesses=(Guess(10, 0.41), Guess(40, 0.4)), needs_review=True),
    Outcome(2, "broken", ItemStatus.FAILED, error="image_unreadable", message="not a picture"),
]
RESULTS = [result_out("v1", outcome) for outcome in OUTCOMES]


def test_a_failed_item_has_neither_a_category_nor_a_need_for_review() -> None:
    assert [result.needs_review for result in RESULTS] == [False, True, None]


def test_ndjson_and_csv_say_what_needs_a_look() -> None:
    lines = [json.loads(line) for line in "".join(ndjson([RESULTS[:2], RESULTS[2:]])).splitlines()]
    assert [line["needs_review"] for line in lines] == [False, True, None]
    rows = list(csv.DictReader("".join(csv_table([RESULTS[:2], RESULTS[2:]])).splitlines()))
    assert [row["needs_review"] for row in rows] == ["false", "true", ""]
    assert [row["confidence"] for row in rows] == ["0.98", "0.41", ""]

"""The public contract: what the document says, and that nothing in it changes unnoticed."""

import re
from difflib import unified_diff
from typing import Any

import pytest

from api.app import create_app
from shared.settings import Settings
from tests.integration.contract.document import PINNED, current


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    items = (*document["paths"].values(), *document["webhooks"].values())
    return [operation for item in items for operation in item.values()]


def test_the_contract_is_the_pinned_one() -> None:
    pinned = PINNED.read_text(encoding="utf-8").splitlines()
    changes = "\n".join(unified_diff(pinned, current().splitlines(), "pinned", "current", lineterm="", n=4))
    if changes:
        pytest.fail(f"python -m tests.integration.contract.document pins the new contract:\n{changes}", pytrace=False)


def test_an_operation_is_called_subject_and_verb(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for operation in _operations(document):
        (subject,) = operation["tags"]
        assert subject in tags
        assert re.fullmatch(rf"{subject}(-[a-z]+)+", operation["operationId"])
    names = [operation["operationId"] for operation in _operations(document)]
    assert len(names) == len(set(names))


def test_each_summary_is_a_sentence_of_its_own(document: dict[str, Any]) -> None:
    summaries = [operation["summary"] for operation in _operations(document)]
    assert len(summaries) == len(set(summaries))
    for summary in summaries:
        assert re.fullmatch(r"[A-Z][^.;]{12,100}\.", summary), summary


def test_schemas_have_names_without_modules(document: dict[str, Any]) -> None:
    assert not [name for name in document["components"]["schemas"] if not re.fullmatch("[A-Z][A-Za-z]+", name)]

"""What programs may import, and that both clients offer the same."""

import dataclasses
import inspect
import pickle
from pathlib import Path
from typing import Any

import catalog_client
from catalog_client import AsyncCatalog, Catalog, CatalogError, Job, ProblemError, QuotaExceededError, WaitTimeoutError

NAMES = [
    *(
        "Alert",
        "AnsweredCategory",
        "AnswerTooLargeError",
        "AsyncCatalog",
        "Branches",
        "BundleDrift",
        "Catalog",
        "CatalogError",
        "Category",
    ),
    *(
        "Change",
        "Check",
        "ConfigurationError",
        "Counts",
        "Deliveries",
        "Delivery",
        "Distance",
        "Drift",
        "Estimate",
        "Explanation",
    ),
    *(
        "Health",
        "InputError",
        "Item",
        "ItemError",
        "Job",
        "JobItem",
        "Label",
        "LabelCounts",
        "LabelSummary",
        "LabelledAccuracy",
    ),
    *(
        "Model",
        "Models",
        "Period",
        "Phrase",
        "Prediction",
        "ProblemError",
        "QueuePlace",
        "QuotaExceededError",
        "Reference",
        "Result",
        "ResultsPage",
    ),
    *(
        "ServiceUnreachableError",
        "Stage",
        "TableError",
        "Training",
        "TrainingError",
        "UnexpectedAnswerError",
        "Verdict",
    ),
    *(
        "WaitTimeoutError",
        "WebhookError",
        "WebhookStatus",
        "Word",
        "count_items",
        "read_items",
        "read_labels",
        "tables",
    ),
    *("Table", "TableForm"),
    *("ChosenCategory", "Decision", "DecisionInForce", "DecisionSummary", "RememberedDecision", "ToldDecision"),
    "UndoneDecision",
    *("BulkDecision", "Card", "NearCopies", "NearCopy", "NearestDecision"),
    *("AuditedPrecision", "CategoryPrecision", "Promise", "ThresholdMove", "WeekPrecision"),
    *("CategoryChange", "Taxonomy", "TaxonomyAcceptance", "TaxonomyCategory", "TaxonomyChanges"),
    "webhooks",
]


def _methods(kind: type) -> dict[str, Any]:
    return {name: found for name, found in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_the_public_names_are_these() -> None:
    assert sorted(catalog_client.__all__) == sorted(NAMES)
    public = {name for name, found in vars(catalog_client).items() if not (name.startswith("_") or name == "command")}
    assert public == set(NAMES)


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    one, other = _methods(Catalog), _methods(AsyncCatalog)
    assert {*one} - {"close"} == {*other} - {"aclose"}
    widened = {"items", "labels"}  # which may be asynchronous too
    for name in {*one} - {"close"}:
        mine, theirs = (
            [(each.name, each.kind, each.default, each.name in widened or each.annotation) for each in parameters]
            for parameters in (inspect.signature(client[name]).parameters.values() for client in (one, other))
        )
        assert mine == theirs, name


def test_every_method_is_documented() -> None:
    for client in (Catalog, AsyncCatalog):
        assert [name for name, method in _methods(client).items() if not inspect.getdoc(method)] == []


def test_the_tree_of_errors_is_the_one_of_the_docstring() -> None:
    errors = [
        found for found in vars(catalog_client).values() if isinstance(found, type) and issubclass(found, Exception)
    ]
    described = inspect.getdoc(CatalogError) or ""
    assert [error.__name__ for error in errors if error.__name__ not in described] == []
    assert all(issubclass(error, CatalogError) for error in errors)


def test_records_are_frozen_and_typed_and_errors_travel_between_processes() -> None:
    assert (Path(catalog_client.__file__).parent / "py.typed").is_file()
    records = [found for found in vars(catalog_client).values() if dataclasses.is_dataclass(found)]
    assert len(records) > 30
    assert all(record.__dataclass_params__.frozen for record in records)  # type: ignore[union-attr]
    problem = pickle.loads(
        pickle.dumps(ProblemError(404, {"type": "urn:x:job-not-found", "detail": "There is no job"}))
    )
    assert (problem.status, problem.kind, str(problem)) == (404, "job-not-found", "There is no job")
    used_up = QuotaExceededError(429, {"detail": "No more", "quota": "items", "used": 8, "limit": 10})
    assert (pickle.loads(pickle.dumps(used_up)).quota, used_up.used, used_up.limit) == ("items", 8, 10)
    late = pickle.loads(pickle.dumps(WaitTimeoutError("late", "a job")))
    assert (str(late), late.record) == ("late", "a job")
    assert "document" not in repr(Job.__dataclass_fields__["document"].repr)

"""Items that do harm to the process that computes them: each fails alone, and nothing else does."""

import time
from pathlib import Path

import httpx
import pytest

from stack.services import Stack
from tests.faults.conftest import Figure, Service
from tests.faults.hooks.sitecustomize import HANGS, KILLS, RAISES
from tests.faults.work import Job, completed_once, leased, results, submitted, texts, views
from tests.waiting import finished, wait_for

_POISONED = {"PYTHONPATH": str(Path(__file__).parent / "hooks")}
_ISOLATED_AFTER = 2
"""Lost tries; what `CATALOG_ISOLATE_AFTER` is by default."""
_IMPATIENT = {"CATALOG_ITEM_TIMEOUT_S": "3", "CATALOG_CHUNK_TIMEOUT_S": "5", "CATALOG_ISOLATE_AFTER": "1"}
"""An item that hangs costs a try, a lease and a start of the worker: once tells as much as twice."""


@pytest.mark.parametrize(
    ("title", "settings", "error", "deaths"),
    [
        (KILLS, {}, "item_kills_worker", _ISOLATED_AFTER),
        (HANGS, _IMPATIENT, "item_kills_worker", 1),
        (RAISES, {}, "item_failed", 0),
    ],
    ids=["kills", "hangs", "raises"],
)
def test_poisonous_item_fails_alone(
    service: Service, figure: Figure, title: str, settings: dict[str, str], error: str, deaths: int
) -> None:
    stack = service({**_POISONED, **settings})
    with views(stack) as (api, redis):
        began = time.monotonic()
        harmful = submitted(api, [*texts(20), {"id": "20", "title": title}, *texts(40)[21:]])
        wait_for("it is leased", lambda: leased(redis, harmful))
        beside = submitted(api, texts(600))
        _supervised(stack, api, harmful)
        figure(f"an item that {title.split()[-1]}: its job ends after", time.monotonic() - began, "s")
        figure(f"an item that {title.split()[-1]}: deaths of the worker", _deaths(stack), "")
        assert _deaths(stack) == deaths
        assert finished(api, harmful["url"])["state"] == "partial"
        outcomes = results(api, harmful)
        assert [outcome["id"] for outcome in outcomes] == [str(i) for i in range(40)]
        failed = [(outcome["id"], outcome["error"]["code"]) for outcome in outcomes if outcome["status"] == "failed"]
        assert failed == [("20", error)]
        completed_once(api, beside)
        completed_once(api, submitted(api, texts(40)))
        assert _deaths(stack) == deaths


def test_item_that_never_ends_is_given_up_while_other_jobs_go_on(service: Service, figure: Figure) -> None:
    """Alone in its chunk: two tries, each with a model loaded for it, take longer than twice the item's time."""
    stack = service({**_POISONED, **_IMPATIENT})
    with views(stack) as (api, redis):
        began = time.monotonic()
        harmful = submitted(api, [{"id": "0", "title": HANGS}])
        wait_for("it is computed in isolation", lambda: _isolated(stack), timeout_s=120)
        completed_once(api, submitted(api, texts(3)))
        assert not api.get(harmful["url"]).json()["finished_at"]
        _supervised(stack, api, harmful)
        figure("an item alone that hangs: its job ends after", time.monotonic() - began, "s")
        (outcome,) = results(api, harmful)
        assert outcome["error"]["code"] == "item_kills_worker"
        assert "took more than 3 s, 2 times" in outcome["error"]["message"]
        assert _deaths(stack) == 1
        assert not leased(redis, harmful)


def _isolated(stack: Stack) -> bool:
    """Whether a chunk is computed item by item; what has ended is started again meanwhile."""
    stack.revive()
    return "are computed in isolation" in stack.worker.log.read_text()


def _supervised(stack: Stack, api: httpx.Client, job: Job) -> None:
    """Restart processes that end, as a supervisor does, until the job has ended."""

    def ended() -> bool:
        stack.revive()
        return bool(api.get(job["url"]).json()["finished_at"])

    wait_for("the job ends", ended, timeout_s=120)


def _deaths(stack: Stack) -> int:
    """How often a worker was started again."""
    return stack.worker.log.read_text().count("serving bundle") - 1

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from shared.settings import ROOT
from shared.telemetry import logs

FORMATTER = logs.JsonLines("worker")
RECORD = logging.makeLogRecord(
    {"name": "worker.classify.service", "levelname": "WARNING", "msg": "late by %d s", "args": (3,)}
)


def line(record: logging.LogRecord = RECORD) -> dict[str, Any]:
    written = FORMATTER.format(record)
    assert "\n" not in written
    assert written.isascii()
    fields: dict[str, Any] = json.loads(written)
    return fields


def test_the_fields_of_a_json_line() -> None:
    record = logging.makeLogRecord({**RECORD.__dict__, "created": 1_700_000_000.25})
    fields = line(record)
    said = {"level": "WARNING", "logger": "worker.classify.service", "message": "late by 3 s", "process": "worker"}
    assert said.items() <= fields.items()
    assert fields["time"] == "2023-11-14T22:13:20.250Z"


def test_a_message_with_line_breaks_is_one_line() -> None:
    record = logging.makeLogRecord({"msg": "Piscine\n\udc80\u2028é", "name": "a"})
    assert line(record)["message"] == "Piscine\n\udc80\u2028é"


def test_an_exception_is_a_text_field() -> None:
    try:
        raise OSError("the blob store is away")
    except OSError as error:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": (OSError, error, error.__traceback__)})
    assert line(record)["exception"].endswith("OSError: the blob store is away")
    assert "exception" not in line()


def test_a_line_has_the_ids_bound_where_it_is_logged() -> None:
    with logs.bound(job="a", chunk=1):
        with logs.bound(item="x", chunk=2):
            assert logs.ids().items() <= line().items()
            assert logs.ids() == {"job": "a", "chunk": 2, "item": "x"}
        assert logs.ids() == {"job": "a", "chunk": 1}
    assert logs.ids() == {}


def test_threads_of_a_pool_log_with_the_ids_of_their_caller() -> None:
    both, pool = Barrier(2), ThreadPoolExecutor(2)

    def work(item: int) -> dict[str, logs.Id]:
        with logs.bound(item=item):
            both.wait(10)
            return logs.ids()

    with pool:
        with logs.bound(job="a"):
            work_for_a = logs.in_context(work)
        with logs.bound(job="b"):
            work_for_b = logs.in_context(work)
        done = [pool.submit(work_for_a, 1), pool.submit(work_for_b, 2)]
        assert [one.result() for one in done] == [{"job": "a", "item": 1}, {"job": "b", "item": 2}]
        done = [pool.submit(work_for_a, 3), pool.submit(work_for_a, 4)]
        assert [one.result() for one in done] == [{"job": "a", "item": 3}, {"job": "a", "item": 4}]
        assert pool.submit(logs.ids).result() == {}


@pytest.mark.parametrize("library", ["mlflow.store", "celery.worker"])
def test_libraries_loaded_later_log_in_the_same_form(library: str) -> None:
    code = f"""
import importlib, logging, warnings
from shared.telemetry import logs
from shared.settings import Settings
logs.configure("courier", Settings(log_format="json"))
importlib.import_module({library!r})
logging.getLogger({library!r}).error("tables")
warnings.warn("old")
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    written = [json.loads(line) for line in (ran.stdout + ran.stderr).splitlines()]
    assert {(line["logger"], line["process"]) for line in written} >= {(library, "courier"), ("py.warnings", "courier")}

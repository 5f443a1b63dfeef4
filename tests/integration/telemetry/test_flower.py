"""Flower, the web page about Celery's processes."""

import sys
from pathlib import Path
from typing import Any

import httpx

from shared.settings import ROOT
from stack.processes import Process, free_port
from stack.services import Ports, Stack
from tests.waiting import wait_for


def test_flower_shows_a_process_without_work_as_online(tmp_path: Path) -> None:
    port = free_port()
    stack = Stack(ROOT, tmp_path, Ports(free_port(), free_port(), None), {"CATALOG_TASK_EVENTS": "true"})
    command = [sys.executable, "-m", "celery", "--app", "worker.app", "flower", f"--port={port}", "--address=127.0.0.1"]
    try:
        stack.start_redis()
        stack.start_courier({"CATALOG_TRACK_PREDICTIONS": "false"})
        flower = Process("flower", command, tmp_path / "flower.log", stack.env, ROOT)
        try:
            wait_for("two heartbeats of the courier", lambda: _heartbeats(port) >= 2)
        finally:
            flower.kill()
    finally:
        stack.close()


def _heartbeats(port: int) -> int:
    """Return the number of heartbeats of the processes that are shown as online."""
    try:
        shown: list[dict[str, Any]] = httpx.get(f"http://127.0.0.1:{port}/workers?json=1").json()["data"]
    except httpx.HTTPError:
        return 0
    return sum(process.get("worker-heartbeat", 0) for process in shown if process["status"])

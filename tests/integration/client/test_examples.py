"""The examples of docs/client.md run, from top to bottom, against the running service."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from catalog_client import Catalog
from shared.settings import ROOT
from stack.receiver import WebhookReceiver
from stack.services import Stack
from tests.pictures import jpeg

PAGE = ROOT / "docs" / "client.md"
SHOWN_URL = "http://127.0.0.1:5000"
WAIT_S = 120


def _run(page: Path, url: str) -> dict[str, Any]:
    """Run every example; returns the names that they define. A traceback shows the page and the line."""
    text, names = page.read_text(), {"__name__": "examples"}
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines_before = text[: found.start(1)].count("\n")
        code = "\n" * lines_before + found[1].replace(SHOWN_URL, url)
        exec(compile(code, str(page), "exec"), names)
    return names


def test_every_example_runs(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/red.jpg").write_bytes(jpeg("red"))
    (tmp_path / "products.csv").write_text("id,title,image\n1,Console de jeux,red.jpg\n2,Livre,\n")
    monkeypatch.chdir(tmp_path)
    names = _run(PAGE, stack.url)
    printed = capsys.readouterr().out
    assert "completed 2" in printed
    assert "422 " in printed

    with WebhookReceiver(stack.webhook_secret) as receiver, Catalog(stack.url) as catalog:
        job = catalog.submit(names["items"], webhook_url=receiver.url)
        receiver.received.get(timeout=WAIT_S)
        headers, body = receiver.requests[0]
        assert names["receive"](body, headers, stack.webhook_secret) == 204
        assert names["receive"](body + b"\n", headers, stack.webhook_secret) == 401
        assert f"{job.id} completed" in capsys.readouterr().out


def test_the_page_names_every_method() -> None:
    page = PAGE.read_text()
    methods = [name for name, _ in inspect.getmembers(Catalog, inspect.isfunction) if not name.startswith("_")]
    assert [name for name in methods if not re.search(rf"\b{name}\b", page)] == []

"""The servers that we compare ours with have an environment of their own: it must have what their code imports."""

import re

import pytest

from shared.settings import ROOT
from tests.import_graph import packages_behind

SERVERS = ("bento_server", "lit_server", "mlflow_server", "original", "ray_server")
CALLED = {"PIL": "pillow", "starlette": "fastapi", "tensorflow": "tensorflow-cpu"}
"""Packages that are imported by another name than the one they are installed by."""


@pytest.mark.parametrize("server", SERVERS)
def test_a_contenders_environment_has_what_its_code_imports(server: str) -> None:
    text = (ROOT / "benchmarks/contenders/requirements.in").read_text(encoding="utf-8")
    installed = set(re.findall("^[a-z][a-z-]*", text, re.MULTILINE))
    imported = packages_behind([f"benchmarks.contenders.{server}"])
    missing = {CALLED.get(name, name) for name in imported} - installed
    assert not missing, f"add to requirements.in, and lock it: {sorted(missing)}"

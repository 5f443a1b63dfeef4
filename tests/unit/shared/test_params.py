"""Parameters of trainings: what a request may set, and that nothing which may hold a place is among it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from shared.pipeline.params import Params, check_no_places, load_params, without_passwords
from shared.pipeline.workspace import WorkspaceError, git
from shared.settings import ROOT

FREE_TEXT = {"evaluate.data_licence"}
"""Texts that the stages only print."""


def texts(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """The names of all parameters that may be a text."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from texts(field.annotation, f"{above}{name}.")
        elif str in (field.annotation, *get_args(field.annotation)):
            yield f"{above}{name}"


def test_each_text_is_the_operators_alone_or_only_printed() -> None:
    found = set(texts(Params))
    assert found >= {"import_data.source", "import_data.unlabelled", "preprocess.vgg16_weights"} | FREE_TEXT
    for name in found - FREE_TEXT:
        overrides: dict[str, Any] = {}
        *sections, parameter = name.split(".")
        inner = overrides
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[parameter] = "/etc/passwd"
        with pytest.raises(ValidationError, match=r"a request cannot set (a path or URL|the columns of a table)"):
            check_no_places(overrides)


def test_messages_of_tools_show_no_password(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(WorkspaceError, match=r"http://127\.0\.0\.1:9/x") as raised:
        git(tmp_path, "ls-remote", "http://ann:geheim@127.0.0.1:9/x")
    assert "geheim" not in str(raised.value)
    assert "ann:" not in str(raised.value)
    assert without_passwords("s3://a:b@host/c and d@e") == "s3://host/c and d@e"
    assert without_passwords("s3://a:b@c@host/d@e") == "s3://host/d@e"


def test_the_repositorys_own_parameters_are_within_the_bounds() -> None:
    load_params(ROOT / "params.yaml")

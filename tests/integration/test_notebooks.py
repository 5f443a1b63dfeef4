"""The notebooks run on a catalogue that the pipeline imported, and on the trainings it made."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from shared.settings import ROOT
from tests.integration.conftest import Retrained
from tests.workspace import Workspace
from training.pipeline.layout import EVALUATION_REPORT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPARE = ROOT / "notebooks" / "compare_runs.ipynb"


def _executed(notebook: Path, workspace: Workspace, *more: str) -> list[Any]:
    """The outputs of all cells, and of further ones with this code."""
    document = nbformat.read(notebook, as_version=4)
    document.cells += [nbformat.v4.new_code_cell(code) for code in more]
    resources = {"metadata": {"path": str(workspace.folder)}}
    NotebookClient(document, timeout=120, resources=resources).execute()
    return [output for cell in document.cells for output in cell.get("outputs", [])]


def _pictures(outputs: list[Any]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def _printed(outputs: list[Any]) -> str:
    return "".join(output["text"] for output in outputs if output.get("name") == "stdout")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(notebook: Path, workspace: Workspace) -> None:
    assert _pictures(_executed(notebook, workspace))


def test_two_trainings_are_compared(workspace: Workspace, retrained: Retrained) -> None:
    tell = """
import json
runs = overview.join(differing(params))
shown = {"overview": runs, "versions": pd.DataFrame(versions), "classes": classes, "figures": figures}
print(json.dumps({name: json.loads(table.to_json(orient="split")) for name, table in shown.items()}))
"""
    outputs = _executed(COMPARE, retrained.workspace, tell)
    assert _pictures(outputs) == 3
    told = json.loads(_printed(outputs).splitlines()[-1])
    overview, versions, classes, figures = (
        pd.DataFrame(**told[name]) for name in ("overview", "versions", "classes", "figures")
    )

    first, second = overview.index
    assert overview["text.epochs"].tolist() == ["12", "1"]
    assert "text.units" not in overview.columns
    assert overview["state"].tolist() == ["FINISHED", "FINISHED"]
    assert overview["data"].nunique() == 1
    assert overview["bundle"].nunique() == 2

    aliases = versions.set_index("training")["aliases"]
    assert (aliases[first], aliases[second]) == ("", "challenger")

    reports = [place.folder / EVALUATION_REPORT for place in (workspace, retrained.workspace)]
    before, after = (pd.read_csv(report / "per_class.csv").set_index("name")["f1"] for report in reports)
    assert classes["difference"].to_dict() == pytest.approx((after - before).to_dict())

    metrics = [json.loads((report / "metrics.json").read_text())["text"]["weighted_f1"] for report in reports]
    line = figures.loc["test.text.weighted_f1"]
    assert [line[first], line[second], line["difference"]] == pytest.approx([*metrics, metrics[1] - metrics[0]])
    assert "test.fusion.items" not in figures.index


def test_without_a_training_the_notebook_says_so(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/empty.db")
    outputs = _executed(COMPARE, workspace)
    assert "No training is in" in _printed(outputs)
    assert not _pictures(outputs)


def test_notebooks_are_kept_without_output() -> None:
    for notebook in NOTEBOOKS:
        cells = nbformat.read(notebook, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells), f"{notebook.name}: clear its output before a commit"

"""The notebooks run on a catalogue that the pipeline imported."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from shared.settings import ROOT
from tests.workspace import Workspace


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(notebook: Path, workspace: Workspace) -> None:
    document = nbformat.read(notebook, as_version=4)
    resources = {"metadata": {"path": str(workspace.folder)}}
    NotebookClient(document, timeout=120, resources=resources).execute()
    pictures = [
        output for cell in document.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert pictures


def test_notebooks_are_kept_without_output() -> None:
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(notebook, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells), f"{notebook.name}: clear its output before a commit"

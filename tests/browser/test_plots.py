"""`dvc plots show`, in a browser without a network."""

import re
from pathlib import Path

from tests.browser.chromium import show
from tests.workspace import Workspace

_MARKS = re.compile(r'<g class="mark-\w+ role-mark[^"]*"[^>]*>\s*<(?:path|text|rect)\b')


def _plots(workspace: Workspace) -> Path:
    workspace.run("training.pipeline.plots_page")
    workspace.run("dvc", "plots", "show")
    return workspace.folder / "dvc_plots/index.html"


def test_every_plot_is_drawn_without_a_network(workspace: Workspace) -> None:
    page = show(_plots(workspace))
    assert len(page.charts) == 7
    assert [number for number, chart in enumerate(page.charts) if not _MARKS.search(chart)] == []
    assert page.images == page.loaded_images == 5
    assert page.external_resources == ""


def test_the_plots_folder_is_ignored_by_git(workspace: Workspace) -> None:
    _plots(workspace)
    assert "dvc_plots" not in workspace.git("status", "--porcelain", "--untracked-files=all")

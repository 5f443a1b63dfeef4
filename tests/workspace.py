"""A copy of the working tree in which the pipeline can run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from shared.settings import ROOT

# Small and quick, but every stage is the real one.
PARAMS: dict[str, Any] = {
    "import_data": {"sample": {"per_type": 8}, "unlabelled": ["unlabelled/X_test_update.csv"]},
    "preprocess": {"validation": 0.15, "test": 0.15},
    "train": {
        "text": {
            "max_words": 24,
            "vocabulary": 4000,
            "max_subwords": 8,
            "min_count": 1,
            "embedding": 32,
            "units": 32,
            "dropout": 0.2,
            "word_dropout": 0.0,
            "batch_size": 16,
            "learning_rate": 0.01,
            "epochs": 12,
            "student": {"epochs": 6, "word_dropout": 0.0},
        },
        "image": {"units": 64, "batch_size": 16, "learning_rate": 0.002, "epochs": 15},
        # So small a model is right 95 times in 100 nowhere.
        "review": {"precision": 0.7},
    },
    # On some thirty held-out items hardly anything is sure.
    "gate": {
        "min_items": 10,
        "margin": 0.5,
        "loss": 0.2,
        "classes": {"min_items": 5, "loss": 0.6},
        "calibration": 0.3,
        "review": {"coverage": 0.5, "precision": 0.3},
        "latency": 3.0,
        "relabelled": {"share": 0.1, "share_of_class": 0.6},
        # Its threshold promises seven right answers in ten, and a category has eight products.
        "contradicted": {"share": 0.5, "share_of_class": 1.0},
        "first": 0.2,
    },
}


class Workspace:
    """The files that git knows or would add, in a repository of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_working_tree(cls, folder: Path) -> "Workspace":
        listed = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
        for name in listed:
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        _git(folder, "init", "--quiet")
        workspace = cls(folder)
        workspace.commit_all()
        return workspace

    def copy(self, folder: Path) -> "Workspace":
        """With everything that has run there."""
        return Workspace(Path(shutil.copytree(self.folder, folder, symlinks=True)))

    def commit_all(self) -> None:
        self.git("add", "--all")
        self.git("-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", "copy")

    def git(self, *arguments: str) -> str:
        return _git(self.folder, *arguments)

    def set_params(self, changes: dict[str, Any]) -> None:
        path = self.folder / "params.yaml"
        path.write_text(yaml.safe_dump(_merged(yaml.safe_load(path.read_text()), changes)))

    def run(self, *command: str) -> str:
        """What `python -m …` prints."""
        return self.python("-m", *command)

    def python(self, *arguments: str) -> str:
        """What Python prints in the workspace; fails the test where it fails."""
        python = Path(sys.executable)
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            [str(python), *arguments],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stderr + ran.stdout


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {
        **values,
        **{
            name: _merged(values[name], change) if isinstance(change, dict) else change
            for name, change in changes.items()
        },
    }


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout

"""The files of a quantised backbone, wherever they lie: in a bundle, a stage's output or the feature store."""

import shutil
from pathlib import Path

from shared.model.bundle import BACKBONE


def copy_backbone(source: Path, folder: Path) -> None:
    """Copy the network and its weights from one folder into another, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (BACKBONE, Path(BACKBONE).with_suffix(".bin")):
        shutil.copyfile(source / name, folder / name)

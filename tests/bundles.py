"""Bundles that differ as little as two trainings can."""

import shutil
from pathlib import Path

from shared.model.bundle import MANIFEST, Bundle


def another(bundle: Bundle, folder: Path, image_alone: float = 0.5) -> Bundle:
    """The same networks with another fusion: another version, which answers otherwise where there is only a picture."""
    shutil.copytree(bundle.folder, folder)
    (folder / MANIFEST).unlink()
    fusion = bundle.manifest.fusion.model_copy(update={"image_alone": image_alone})
    return Bundle.seal(folder, **bundle.manifest.model_dump(exclude={"format", "files"}) | {"fusion": fusion})

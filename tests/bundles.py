"""Bundles that differ as little as two trainings can."""

from pathlib import Path

from benchmarks.bundles import altered
from shared.model.bundle import Bundle


def another(bundle: Bundle, folder: Path, image_alone: float = 0.5) -> Bundle:
    """The same networks with another fusion: another version, which answers otherwise where there is only a picture."""
    return altered(bundle, folder, fusion=bundle.manifest.fusion.model_copy(update={"image_alone": image_alone}))

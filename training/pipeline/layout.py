"""The places of the stages' outputs, relative to the repository's root; `dvc.yaml` names them as well."""

from pathlib import Path

from shared.pipeline.stages import BUNDLE, FEATURE_STORE, INPUTS, LABELS, LAST_IMPORTS

__all__ = [
    "BUNDLE", "EVALUATION_REPORT", "FEATURE_STORE", "HISTORY", "IMPORTED", "INPUTS", "LABELS", "LAST_IMPORTS",
    "LISTED_CATALOGUE", "LISTED_PACKAGES", "LISTED_SOURCE", "LISTED_WEIGHTS", "PARTLY_LABELLED", "PREPARED", "STARTER",
    "TRAINING_REPORT",
]  # fmt: skip

LISTED_CATALOGUE = INPUTS / "catalogue.json"
"""The files that `import_data` reads, with their marks."""
LISTED_SOURCE = INPUTS / "source.json"
"""Where the catalogue lies, as it may be shown."""
LISTED_WEIGHTS = INPUTS / "weights.json"
"""VGG16's weights, if they are a file."""
LISTED_PACKAGES = INPUTS / "packages.json"
"""The versions of the packages that compute what the stages leave."""
IMPORTED = Path("data/imported")
PARTLY_LABELLED = "partly_labelled.parquet"
"""The file, imported and prepared, with the texts whose label has categories below it."""
PREPARED = Path("data/prepared")
TRAINING_REPORT = Path("data/training")
HISTORY = "history.csv"
"""The file in the training's report with a row per branch and epoch."""
EVALUATION_REPORT = Path("data/evaluation")
STARTER = Path("models/starter")
"""The bundle that comes with the repository."""

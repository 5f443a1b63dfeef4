"""DVC stage `list_inputs`: writes down what the other stages read from outside git and DVC, so that DVC sees it change.

params.yaml names places whose content DVC does not know: the source, texts without a label, VGG16's weights. This stage
runs at every `dvc repro`. Each of its files holds the state of one kind of input, and the stages that read this input
depend on the file: an unchanged one lets DVC skip them, or take what the run cache has. It also says what is new,
changed and gone in the source since its last import on this machine.
"""

import json
import logging
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from shared.pipeline.params import ImportParams, load_params, without_password
from shared.pipeline.stages import SOURCE_CHANGES
from training.catalogue.faults import told_by
from training.catalogue.listing import Changes, SourceListing, last_import, told
from training.catalogue.places import content_mark
from training.pipeline.layout import LAST_IMPORTS, LISTED_CATALOGUE, LISTED_PACKAGES, LISTED_SOURCE, LISTED_WEIGHTS

PACKAGES = (
    "keras", "matplotlib", "nncf", "numpy", "openpyxl", "openvino", "pandas", "pandera", "pillow", "pyarrow",
    "scikit-learn", "scipy", "tensorflow",
)  # fmt: skip
"""The packages that compute what the stages leave."""
_ALSO = {"tensorflow": "tensorflow-cpu"}
"""Another name under which a package may be installed."""

_NO_CHANGES = Changes((), (), ())

log = logging.getLogger(__name__)


def list_inputs() -> None:
    """Write the files in `data/inputs`; equal inputs give equal bytes. Raises `CatalogueError` and `ParamsError`."""
    params = load_params()
    listing = SourceListing.make(params.import_data)
    listing.write(LISTED_CATALOGUE)
    _write(LISTED_SOURCE, {"source": without_password(params.import_data.source or "")})
    _write(LISTED_WEIGHTS, {"vgg16_weights": _mark_of(Path(params.preprocess.vgg16_weights))})
    _write(LISTED_PACKAGES, {package: _version(package) for package in PACKAGES})
    _tell_changes(listing, params.import_data)


def _tell_changes(listing: SourceListing, params: ImportParams) -> None:
    before = SourceListing.read(last_import(LAST_IMPORTS, params))
    figures: dict[str, dict[str, int]] = {kind: {"count": count} for kind, count in listing.counts.items()}
    if params.source is None and not params.unlabelled:
        log.info("No source: the stages use the generated sample catalogue.")
    elif before is None:
        log.info("%s. This source was not imported on this machine before.", _listed(listing.counts))
    else:
        changes = listing.since(before)
        log.info("%s. Since the last import: %s.", _listed(listing.counts), told(changes))
        for kind, of_kind in figures.items():
            of_kind |= changes.get(kind, _NO_CHANGES).figures
    _write(SOURCE_CHANGES, figures)


def _listed(counts: Mapping[str, int]) -> str:
    return "The source holds " + ", ".join(f"{count:,} {kind}" for kind, count in counts.items())


def _mark_of(weights: Path) -> str | None:
    """Mark VGG16's weights; `None` if they are no file but known by name, or missing, of which `preprocess` tells."""
    return content_mark(weights.read_bytes()) if weights.is_file() else None


def _version(package: str) -> str | None:
    for name in (package, _ALSO.get(package, package)):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _write(path: Path, facts: dict[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    with told_by("list_inputs"):
        list_inputs()


if __name__ == "__main__":
    main()

"""Bundles that differ as little as two trainings can, and one of the format before."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bundles import altered
from shared.model import golden, runtimes
from shared.model.bundle import KNOWN, MANIFEST, REFERENCE, Bundle, sha256
from shared.taxonomy import TAXONOMY_FILE


def another(bundle: Bundle, folder: Path, image_alone: float = 0.5) -> Bundle:
    """The same networks with another fusion: another version, which answers otherwise where there is only a picture."""
    return altered(bundle, folder, fusion=bundle.manifest.fusion.model_copy(update={"image_alone": image_alone}))


def with_levels(bundle: Bundle, folder: Path, *levels: float | None) -> Bundle:
    """The same networks with these thresholds for the categories above an answer."""
    return altered(bundle, folder, review=bundle.manifest.review.model_copy(update={"levels": levels}))


def of_format_3(bundle: Bundle, folder: Path) -> Bundle:
    """A bundle of Rakuten's categories as an earlier release made it: codes are numbers, and it has no taxonomy."""
    shutil.copytree(bundle.folder, folder, ignore=shutil.ignore_patterns(MANIFEST, TAXONOMY_FILE, "README.md"))
    known, reference = bundle.known, bundle.reference
    assert known is not None
    assert reference is not None
    codes = known.codes.astype(np.uint16)
    np.savez(folder / KNOWN, identities=known.identities, codes=codes, learned=known.learned)
    numbers = {f"category:{code}": f"type:{number}" for number, code in enumerate(sorted(bundle.codes, key=int))}
    counts = {numbers.get(name, name): count for name, count in reference.counts.items()}
    (folder / REFERENCE).write_text(json.dumps({"accuracy": reference.accuracy, "counts": counts}))
    manifest = json.loads((bundle.folder / MANIFEST).read_bytes())
    manifest |= {"format": 3, "labels": [int(code) for code in bundle.codes]}
    del manifest["review"]["levels"]
    manifest.pop("cascade", None)
    for slope in ("text_slope", "image_slope"):
        manifest["fusion"].pop(slope, None)
    older = _written(folder, manifest)
    golden.write(older, runtimes.load(older, "openvino"))  # the fused ones are others without the slopes
    return _written(folder, manifest)


def _written(folder: Path, manifest: dict[str, Any]) -> Bundle:
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    text = json.dumps(manifest | {"files": files}, sort_keys=True, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n")
    return Bundle.load(folder)

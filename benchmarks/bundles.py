"""Bundles that were never trained: copies with a changed manifest."""

import shutil
from collections.abc import Collection
from pathlib import Path

from shared.model.bundle import MANIFEST, Bundle


def altered(bundle: Bundle, folder: Path, without: Collection[str] = (), **facts: object) -> Bundle:
    """A copy in `folder`, which must not exist yet, with other `facts` of the manifest.

    Args:
        without: Files to leave out: the golden answers, where the copy would not give them and so would not be served.
    """
    shutil.copytree(bundle.folder, folder, ignore=shutil.ignore_patterns(MANIFEST, *without))
    return Bundle.seal(folder, bundle.taxonomy, **bundle.manifest.model_dump(exclude={"format", "files"}) | facts)

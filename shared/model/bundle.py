"""A trained model as one directory, whose manifest names every file and its sha256."""

import hashlib
import json
import re
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.drift.profile import Reference
from shared.model.cascade import Cascade
from shared.model.fusion import Fusion
from shared.model.known import KnownItems
from shared.model.review import Review
from shared.model.text import TextEncoder
from shared.taxonomy import RAKUTEN, TAXONOMY_FILE, Taxonomy, TaxonomyError, from_json, to_json

FORMAT = 4
READABLE = (3, FORMAT)
"""Bundles of format 3 have no taxonomy: their categories are Rakuten's."""
MANIFEST = "manifest.json"

VOCABULARY, TEXT, IMAGE, BACKBONE = "vocabulary.npy", "text.npz", "image.npz", "backbone.xml"
REFERENCE, KNOWN, GOLDEN = "reference.json", "known.npz", "golden.npz"
"""See `shared.drift.profile`, `shared.model.known` and `shared.model.golden`; older bundles lack some of them."""

INT8, FLOAT = "int8", "float"
"""The precisions of VGG16 in which a bundle is evaluated."""
TOLERANCE = 0.005
"""Weighted F1 that a precision may lose compared with the best one."""


_ID_LENGTH = 12
_ID = re.compile(rf"[0-9a-f]{{{_ID_LENGTH}}}")


class BundleError(RuntimeError):
    """A bundle is missing, damaged or of another format; the message says which file and what to do."""


class UnreachableError(BundleError):
    """The bundle cannot be fetched now, although it may be intact."""


class Manifest(BaseModel):
    """Everything about the model except its weights. The same inputs give the same manifest, and so the same id."""

    model_config = ConfigDict(frozen=True)

    format: int
    labels: tuple[int | str, ...]
    """The code of each class. They are numbers in format 3, texts since; `Bundle.codes` has them as texts."""
    max_words: int
    max_subwords: int
    """Subwords of one word, including the word itself."""
    image_size: int
    vgg16_weights: str
    """Origin of VGG16's weights: `imagenet`, `random`, or a file's name."""
    fusion: Fusion
    cascade: Cascade | None = Field(None, exclude_if=lambda cascade: cascade is None)
    """When a picture is not looked at; `None`: all are. It is left out of the manifest then, whose hash names the
    bundle."""
    review: Review
    metrics: dict[str, dict[str, float]]
    """Per branch (`text`, `image`, `fusion`), on the validation split; the fusion's are out of fold."""
    evaluated: dict[str, float]
    """Weighted F1 on the validation split by precision of VGG16 (`INT8`, `FLOAT`). Networks and fusion are the same, so
    the figures are only for comparison with each other."""
    data: str
    """sha256 of the prepared data the model saw."""
    code: str
    """git revision of the code that made it, with `-dirty` if the working tree had changes."""
    files: dict[str, str]
    """File name to sha256."""


class Bundle:
    """A verified bundle on disk."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.id = hashlib.sha256(_canonical(manifest)).hexdigest()[:_ID_LENGTH]
        """Names what serves; public documents call it `bundle`."""

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Read the manifest and check every file against it.

        Raises:
            BundleError: The manifest is missing or has another format, a file is missing or differs, or the taxonomy
                cannot be read or lacks a category that the bundle answers with.
        """
        try:
            manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            raise BundleError(f"{folder} holds no {MANIFEST}: train a model first (dvc repro)") from None
        except ValidationError as error:
            raise BundleError(f"{folder} has no manifest of a format that is read, train it again: {error}") from error
        if manifest.format not in READABLE:
            formats = " and ".join(map(str, READABLE))
            raise BundleError(f"{folder} has format {manifest.format}, this code reads {formats}: train it again")
        for name, expected in manifest.files.items():
            if Path(name).name != name:
                raise BundleError(f"{folder} names a file outside itself in its manifest: train it again")
            path = folder / name
            if not path.is_file():
                raise BundleError(f"{folder} lacks {name}: fetch or train the bundle again")
            if sha256(path) != expected:
                raise BundleError(f"{path} is not the file its manifest names (sha256 differs): fetch it again")
        bundle = cls(folder, manifest)
        bundle._check_categories()
        return bundle

    @classmethod
    def seal(cls, folder: Path, taxonomy: Taxonomy, **facts: object) -> "Bundle":
        """Write the taxonomy, and the manifest of the files in `folder`; `facts` are the manifest's other fields."""
        (folder / TAXONOMY_FILE).write_text(to_json(taxonomy), encoding="utf-8")
        files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
        manifest = Manifest.model_validate({"format": FORMAT, "files": files, **facts})
        (folder / MANIFEST).write_bytes(_canonical(manifest) + b"\n")
        return cls(folder, manifest)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The code of each class, in the order of the networks' outputs."""
        return tuple(map(str, self.manifest.labels))

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The categories that its training worked with; raises `BundleError` if they cannot be read."""
        if TAXONOMY_FILE not in self.manifest.files:
            return RAKUTEN
        try:
            return from_json((self.folder / TAXONOMY_FILE).read_bytes())
        except (OSError, TaxonomyError) as error:
            raise BundleError(
                f"{self.folder / TAXONOMY_FILE} cannot be read: {error}. Train the bundle again"
            ) from error

    def _check_categories(self) -> None:
        """Raise `BundleError` if the bundle answers with categories that its taxonomy does not have."""
        known = self.taxonomy.by_code
        if unknown := [code for code in self.codes if code not in known]:
            shown = ", ".join(map(repr, unknown[:5]))
            raise BundleError(f"{self.folder} answers with {shown}, which its taxonomy lacks: train it again")

    @property
    def backbone(self) -> tuple[str, ...]:
        """All that a picture's features depend on: the image size, and the sha256 of each of the backbone's files."""
        files = [sha256 for name, sha256 in sorted(self.manifest.files.items()) if name.startswith("backbone.")]
        return (str(self.manifest.image_size), *files)

    def has_same_backbone(self, other: "Bundle") -> bool:
        """Whether VGG16 computes the same features of a picture in both bundles."""
        return self.backbone == other.backbone

    def passed(self, precision: str) -> bool:
        """Whether the bundle answers as well with VGG16 in this precision as in its best one."""
        evaluated = self.manifest.evaluated
        return precision in evaluated and evaluated[precision] >= max(evaluated.values()) - TOLERANCE

    @cached_property
    def reference(self) -> Reference | None:
        """The profile that its answers are compared with while it serves; `None` for a bundle from before profiles."""
        if REFERENCE not in self.manifest.files:
            return None
        return Reference.model_validate_json((self.folder / REFERENCE).read_bytes())

    def text_encoder(self) -> TextEncoder:
        vocabulary = np.load(self.folder / VOCABULARY)
        return TextEncoder(vocabulary, self.manifest.max_words, self.manifest.max_subwords)

    @property
    def known(self) -> KnownItems | None:
        """The labelled items of its training; `None` for a bundle from before they were recorded."""
        return KnownItems.load(self.folder / KNOWN) if KNOWN in self.manifest.files else None


def is_bundle_id(name: object) -> bool:
    """Whether this may be a bundle's id. Check it before a path is made of a name from the registry or the ledger."""
    return isinstance(name, str) and _ID.fullmatch(name) is not None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _canonical(manifest: Manifest) -> bytes:
    """The manifest's bytes, without fields that it does not state: a field added later changes no older bundle's id."""
    return json.dumps(
        manifest.model_dump(mode="json", exclude_unset=True), sort_keys=True, indent=1, ensure_ascii=False
    ).encode()

"""What the service answers about categories, as typed records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from catalog_client._parsing import Record


@dataclass(frozen=True, kw_only=True)
class TaxonomyCategory(Record):
    """A category of the taxonomy in force."""

    code: str
    name: str
    names: Mapping[str, str] = field(default_factory=dict)
    """By language."""
    parent: str | None = None
    """The code of the category above."""
    guideline: str | None = None
    leaf: bool = True
    """Whether labels may name it."""
    state: str = "served"
    """served, untrained, merged, retired or group."""
    moved_to: str | None = None
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Its codes in other taxonomies."""
    share: float | None = None
    """Share of the answers to the model's validation split; next, which share of these is right."""
    precision: float | None = None
    labels: int | None = None
    """While it is untrained."""


@dataclass(frozen=True, kw_only=True)
class Taxonomy(Record):
    """The taxonomy in force."""

    digest: str = ""
    """Names the content: `put_taxonomy` takes it."""
    number: int = 0
    """In the history; 0 if it is the one of the model in service."""
    bundle: str | None = None
    categories: tuple[TaxonomyCategory, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CategoryChange(Record):
    """A way in which a category differs from before."""

    kind: str
    code: str
    detail: str = ""
    needs_training: bool = False
    """Whether answers can name the category only after a training."""


@dataclass(frozen=True, kw_only=True)
class TaxonomyChanges(Record):
    """What a taxonomy changes, or would change."""

    digest: str
    number: int = 0
    """The number of the taxonomy in force now."""
    changed: bool = False
    """Whether it is in force now and was not before."""
    changes: tuple[CategoryChange, ...] = ()
    """The first thousand."""
    not_listed: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    """By kind."""
    needs_training: bool = False


@dataclass(frozen=True, kw_only=True)
class TaxonomyAcceptance(Record):
    """A taxonomy that was put."""

    number: int
    at: datetime
    by: str | None = None
    digest: str = ""
    replaces: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaxonomyHistoryPage(Record):
    """A page of the history."""

    history: tuple[TaxonomyAcceptance, ...]
    next_cursor: int | None = None

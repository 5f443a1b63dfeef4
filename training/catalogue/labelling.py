"""Turns the rows of a source into products: each label becomes the code of a category that items are labelled with."""

from collections.abc import Iterator, Sequence

from shared.taxonomy import Taxonomy
from shared.taxonomy.lookup import InnerCategoryError, Lookup, RetiredCategoryError, UnknownCategoryError
from training.catalogue.entries import Entry
from training.catalogue.product import Finding, FindingReason, Product

_MOST_SUGGESTED = 200
"""Unknown labels that get suggestions: looking for them takes time."""
_SHOWN = 3
"""Categories below another that a finding names."""

Refusal = tuple[FindingReason, str]
"""Why no item is labelled with a category, and in words what to do."""


class Labelling:
    """The meaning of a source's labels.

    Args:
        taxonomy: The categories that labels name by code, name or path of names.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._lookup = Lookup(taxonomy)
        self._known: dict[str, str | Refusal] = {}
        self._above: dict[str, str] = {}
        """The category that a label means, where it has others below it."""
        self._unknown = 0

    def products(self, entries: Sequence[Entry]) -> Iterator[Product | Finding]:
        """Yield a product for each entry whose label names a leaf, and a finding for each other one, in their order."""
        for entry in entries:
            code = self.code_of(entry.label)
            if isinstance(code, str):
                yield Product(entry.row, entry.id, entry.title, entry.description, code, picture_file=entry.picture)
            else:
                yield Finding(entry.row, entry.id, *code)

    def partly_labelled(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, str]]:
        """Yield the entries whose label has categories below it, with its code: they are no products of any leaf."""
        for entry in entries:
            self.code_of(entry.label)
            if (code := self._above.get(entry.label)) is not None:
                yield entry, code

    def code_of(self, label: str) -> str | Refusal:
        """Return the code of the leaf that a label means; a category that was merged into another stands for that."""
        if label not in self._known:
            self._known[label] = self._find(label)
        return self._known[label]

    def _find(self, label: str) -> str | Refusal:
        if not label.strip():
            return FindingReason.NO_LABEL, "the row has no category"
        try:
            return self._lookup.leaf(label, suggest=self._unknown < _MOST_SUGGESTED)
        except UnknownCategoryError as error:
            self._unknown += 1
            return FindingReason.UNKNOWN_CODE, str(error)
        except RetiredCategoryError as error:
            detail = f"{error.category.code!r} is retired: nothing is labelled with it any more"
            return FindingReason.RETIRED_CATEGORY, detail
        except InnerCategoryError as error:
            self._above[label] = error.category.code
            return FindingReason.INNER_CATEGORY, _advice(error)


def _advice(error: InnerCategoryError) -> str:
    below = error.below
    named = ", ".join(repr(child.code) for child in below[:_SHOWN]) + (", …" if len(below) > _SHOWN else "")
    return f"{error.category.code!r} has categories below it ({named}): the row teaches only that it is one of these"

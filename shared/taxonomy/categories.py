"""Categories and the tree that they make."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Category:
    code: str
    """What labels and answers carry; it means nothing by itself."""
    name: str
    names: Mapping[str, str] = field(default_factory=dict)
    """By language, such as `en`."""
    parent: str | None = None
    """The code of the category that it belongs to; `None` at the root."""
    guideline: str | None = None
    """What belongs in the category, in words for the people who choose it."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Its codes in other taxonomies, by their names, such as `google`."""
    moved_to: str | None = None
    """The code of the category that it was merged into: what was, or would be, answered with it belongs there."""
    retired: bool = False
    """Whether nothing is to be answered or labelled with it any more."""

    @property
    def active(self) -> bool:
        """Whether items may still be answered and labelled with it."""
        return not self.retired and self.moved_to is None

    def name_in(self, languages: Sequence[str]) -> str:
        """Return its name in the first of these languages that it has one in, or else its plain name.

        `en` stands for `en-GB`, too, if there is no name in exactly that.
        """
        for language in languages:
            wanted = language.lower()
            while wanted:
                if wanted in self.names:
                    return self.names[wanted]
                wanted = wanted.rpartition("-")[0]
        return self.name


@dataclass(frozen=True)
class Taxonomy:
    """Categories, each behind its parent or before it; `reading.read` checks that they make a tree.

    The code of a category that was merged or retired stays in its taxonomy, so that earlier answers keep their names.
    """

    categories: tuple[Category, ...]

    @cached_property
    def by_code(self) -> Mapping[str, Category]:
        return {category.code: category for category in self.categories}

    @cached_property
    def leaves(self) -> Sequence[Category]:
        """The categories that items are labelled with: those that are nobody's parent, in the file's order.

        Merged and retired ones are not among them.
        """
        parents = {category.parent for category in self.categories}
        return tuple(category for category in self.categories if category.code not in parents and category.active)

    def name_of(self, code: str, languages: Sequence[str] = ()) -> str:
        """Return the category's name (`Category.name_in`); a code that is unknown here is its own name."""
        category = self.by_code.get(code)
        return code if category is None else category.name_in(languages)

    def successor(self, code: str) -> str | None:
        """Return the code that stands for this one now: its own, that of the category it was merged into, or `None`.

        `None` if it is retired. A code that is unknown here stands for itself.
        """
        while (category := self.by_code.get(code)) is not None:
            if category.retired:
                return None
            if category.moved_to is None:
                break
            code = category.moved_to
        return code

    def path(self, code: str) -> tuple[Category, ...]:
        """Return the categories from the root to this one; raises `KeyError` for an unknown code."""
        return tuple(reversed(tuple(self._upwards(code))))

    def branch(self, code: str) -> frozenset[str]:
        """Return the codes of this category, of those below it, and of those that were merged into one of these.

        Raises:
            KeyError: The code is unknown.
        """
        top = self.by_code[code].code
        return frozenset(other for other in self.by_code if top in self._belongs_to(other))

    def _belongs_to(self, code: str) -> Iterator[str]:
        """Yield the code, that of the category it was merged into, and those of all above."""
        current: str | None = code
        while current is not None:
            yield current
            category = self.by_code[current]
            current = category.moved_to or category.parent

    def _upwards(self, code: str) -> Iterator[Category]:
        upper: str | None = code
        while upper is not None:
            category = self.by_code[upper]
            yield category
            upper = category.parent

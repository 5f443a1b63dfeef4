"""The categories that the labels of one request mean, by the taxonomy in force."""

from typing import NamedTuple

from fastapi.concurrency import run_in_threadpool

from api.items.validation import ItemError
from shared.stores.taxonomy_in_force import TaxonomyInForce
from shared.taxonomy.categories import Category
from shared.taxonomy.lookup import InnerCategoryError, RetiredCategoryError, UnknownCategoryError

_SUGGESTIONS = 10
"""Unknown categories of a request for which similar ones are looked for: with 50,000 categories each takes a second."""
_SHOWN = 3


class _Refused(NamedTuple):
    """Why an item cannot be labelled so: the error's code and detail."""

    code: str
    detail: str


class LabelCategories:
    """Finds the code under which a label is kept: that of a leaf, after merges.

    Args:
        inner: Take a category that has others below it, too.
        pointer: Where in an item its category stands.
    """

    def __init__(self, in_force: TaxonomyInForce, *, inner: bool = False, pointer: str = "/code") -> None:
        self._inner, self._pointer = inner, pointer
        self._taxonomy = in_force.taxonomy
        self._lookup = in_force.lookup
        self._leaves = in_force.leaves
        self._found: dict[str, str | _Refused] = {}
        """By what labels have written: nothing is looked for twice."""
        self._searched = 0

    def quickly(self, written: str) -> str | None:
        """Return the code if it takes no search: it was found before, or is a leaf's code; `None` otherwise."""
        if written in self._leaves:
            return written
        found = self._found.get(written)
        return found if isinstance(found, str) else None

    def code(self, written: str) -> str:
        """Return the code that this code, name or path means.

        Raises:
            ItemError: nothing is called like that, several categories are, or what is can be given to no item.
        """
        found = self._found.get(written)
        if found is None:
            found = self._found[written] = self._searched_for(written)
        if isinstance(found, _Refused):
            raise ItemError(self._pointer, found.code, found.detail)
        return found

    async def find(self, written: str) -> str:
        """Return the same; a search does not hold up others."""
        known = self.quickly(written)
        return known if known is not None else await run_in_threadpool(self.code, written)

    def same(self, code: str, other: str) -> bool:
        """Whether two codes stand for the same category now."""
        return self._taxonomy.successor(code) == self._taxonomy.successor(other)

    def agrees(self, code: str, answer: str) -> bool | None:
        """Whether an answer is right if an item was given this code; `None` if the code is of a category above it."""
        meant = self._taxonomy.successor(answer)
        if code in (answer, meant):
            return True
        if meant is None:
            return False
        if meant in self._above(code):
            return True
        return None if code in self._above(meant) else False

    def _above(self, code: str) -> frozenset[str]:
        known = code in self._taxonomy.by_code
        return frozenset(category.code for category in self._taxonomy.path(code)) if known else frozenset()

    def _searched_for(self, written: str) -> str | _Refused:
        try:
            return self._lookup.leaf(written, suggest=self._searched < _SUGGESTIONS)
        except UnknownCategoryError as error:
            self._searched += 1
            stop = "" if str(error).endswith("?") else "."
            return _Refused("unknown_category", f"{error}{stop} GET /v1/taxonomy lists the categories")
        except RetiredCategoryError as error:
            detail = f"{_called(error.category)} is retired: nothing is labelled with it any more"
            return _Refused("retired_category", detail)
        except InnerCategoryError as error:
            if self._inner:
                return error.category.code
            shown = ", ".join(map(_called, error.below[:_SHOWN]))
            detail = f"{_called(error.category)} holds other categories: name one of those, such as {shown}"
            return _Refused("group_of_categories", detail)


def _called(category: Category) -> str:
    return f"{category.code!r} ({category.name})"

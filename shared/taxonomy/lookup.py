"""Finding a category by what people write: its code, its name, or the names of the categories on the way to it."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from difflib import get_close_matches
from functools import cached_property

from shared.taxonomy.categories import Category, Taxonomy
from shared.taxonomy.reading import NAME_LIMIT, folded

PATH_SIGN = ">"
"""What stands between the categories of a path, with any blanks around it: `Femme > Chaussures`."""
_SUGGESTED = 3
_DECIMALS = re.compile(r"(\d{1,18})\.0+", re.ASCII)
"""A whole number as pandas writes it in a column with gaps."""


class UnknownCategoryError(LookupError):
    """No category is meant, or more than one may be.

    Attributes:
        suggestions: Categories that may be meant, the likeliest first.
    """

    def __init__(self, message: str, suggestions: Sequence[Category] = ()) -> None:
        self.suggestions = tuple(suggestions)
        super().__init__(message)


class RetiredCategoryError(LookupError):
    """The category is retired: nothing is labelled with it any more."""

    def __init__(self, category: Category) -> None:
        self.category = category
        super().__init__(category.code)


class InnerCategoryError(LookupError):
    """The category has others below it, one of which an item must be labelled with."""

    def __init__(self, category: Category, below: Sequence[Category]) -> None:
        self.category = category
        self.below = below
        super().__init__(category.code)


class Lookup:
    """Finds categories of a taxonomy; make one for many texts.

    A code goes before a name, and exact spelling before one that differs in case or blanks. Of several categories of
    one name, the ones that items are labelled with go before those above them, and these before merged and retired
    ones.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy

    def find(self, text: str, *, suggest: bool = True) -> Category:
        """Return the category with this code, or with this name in any language, or at the end of this path of names.

        Args:
            suggest: Look for categories that are written like an unknown one, which takes its time.

        Raises:
            UnknownCategoryError: There is none, or the name is that of several; the message says which ones may be
                meant.
        """
        written = text.strip()
        for code in (written, *_DECIMALS.findall(written)):
            if (category := self._taxonomy.by_code.get(code)) is not None:
                return category
        key = folded(written)
        if (category := self._by_folded_code.get(key)) is not None:
            return category
        found = self._by_path.get(_path_key(written), ()) if PATH_SIGN in key else self._by_name.get(key, ())
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownCategoryError(
                f"{_shown(written)} is the name of {len(found)} categories, such as {_listed(found[:_SUGGESTED])}: "
                "write the code",
                found[:_SUGGESTED],
            )
        alike = self.suggestions(written) if suggest else ()
        hint = f"; did you mean {_listed(alike)}?" if alike else ""
        raise UnknownCategoryError(f"{_shown(written)} is neither the code nor the name of a category{hint}", alike)

    def leaf(self, text: str, *, suggest: bool = True) -> str:
        """Return the code that an item labelled with this text has; a category that was merged stands for the other.

        Args:
            suggest: As for `find`.

        Raises:
            UnknownCategoryError: As `find` does.
            RetiredCategoryError: The category is retired.
            InnerCategoryError: It has others below it.
        """
        found = self.find(text, suggest=suggest)
        code = self._taxonomy.successor(found.code)
        if code is None:
            raise RetiredCategoryError(found)
        if code not in self._leaves:
            below = [each for each in self._taxonomy.categories if each.parent == code and each.active]
            raise InnerCategoryError(self._taxonomy.by_code[code], below)
        return code

    def suggestions(self, text: str) -> tuple[Category, ...]:
        """Return up to three categories whose code or name is written like the text, the most alike first.

        It takes 0.1 s with 5,000 categories.
        """
        if len(text) > NAME_LIMIT:
            return ()
        alike = get_close_matches(folded(text), self._spellings, n=2 * _SUGGESTED)
        found = dict.fromkeys(self._spellings[spelling] for spelling in alike)
        return tuple(self._taxonomy.by_code[code] for code in found)[:_SUGGESTED]

    @cached_property
    def _leaves(self) -> Set[str]:
        return {leaf.code for leaf in self._taxonomy.leaves}

    @cached_property
    def _by_folded_code(self) -> Mapping[str, Category]:
        return {folded(category.code): category for category in self._taxonomy.categories}

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Category]]:
        return self._best((name, category) for category in self._taxonomy.categories for name in _names(category))

    @cached_property
    def _by_path(self) -> Mapping[str, Sequence[Category]]:
        pairs = []
        for category in self._taxonomy.categories:
            way = self._taxonomy.path(category.code)
            languages = {language for step in way for language in step.names}
            names = {tuple(step.name_in([language]) for step in way) for language in ("", *languages)}
            pairs += [(_path_key(PATH_SIGN.join(steps)), category) for steps in sorted(names)]
        return self._best(pairs)

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        """Codes by what is written like them."""
        active = [category for category in self._taxonomy.categories if category.active]
        names = {name: category.code for category in active for name in _names(category)}
        return {**names, **{folded(category.code): category.code for category in active}}

    def _best(self, pairs: Iterable[tuple[str, Category]]) -> Mapping[str, Sequence[Category]]:
        """Group the categories by name, and keep of each name those that are most probably meant."""
        groups: dict[str, dict[str, Category]] = {}
        for name, category in pairs:
            groups.setdefault(name, {})[category.code] = category

        def rank(category: Category) -> int:
            return 0 if category.code in self._leaves else 1 if category.active else 2

        return {
            name: [category for category in group.values() if rank(category) == min(map(rank, group.values()))]
            for name, group in groups.items()
        }


def _names(category: Category) -> set[str]:
    return {folded(name) for name in (category.name, *category.names.values())}


def _path_key(text: str) -> str:
    return PATH_SIGN.join(filter(None, folded(text).split(PATH_SIGN)))


def _shown(text: str) -> str:
    return repr(text if len(text) <= NAME_LIMIT else f"{text[:NAME_LIMIT]}…")


def _listed(categories: Iterable[Category]) -> str:
    return ", ".join(
        repr(category.code) if category.code == category.name else f"{category.code!r} ({category.name})"
        for category in categories
    )

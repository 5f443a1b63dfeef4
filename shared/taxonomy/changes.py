"""What differs between two taxonomies, in words, and which of it needs a training."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from shared.taxonomy.categories import Category, Taxonomy


class CategoryChangeKind(StrEnum):
    """The ways in which a category may change; all but `NEW` and `SPLIT` take effect without a training."""

    NEW = "new"
    SPLIT = "split"
    """It was a leaf, and has categories below it now."""
    MERGED = "merged"
    RETIRED = "retired"
    RESTORED = "restored"
    """It was merged or retired, and is neither now."""
    RENAMED = "renamed"
    """Its name, or that in some language."""
    MOVED = "moved"
    """It has another parent."""
    DESCRIBED = "described"
    """Its guideline."""
    MAPPED = "mapped"
    """Its codes in other taxonomies."""
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class CategoryChange:
    kind: CategoryChangeKind
    code: str
    detail: str
    """A sentence, human-readable, without a full stop."""
    needs_training: bool = False
    """Whether answers can name the category only after a training."""


def changes(before: Taxonomy, after: Taxonomy, answered: Set[str] = frozenset()) -> tuple[CategoryChange, ...]:
    """Return each way in which each category differs, in the order of `after`; those that were removed come last.

    Args:
        answered: The codes that the model in service answers, after merges: these need no training.
    """
    found: list[CategoryChange] = []
    parents, parents_before = _parents(after), _parents(before)
    for category in after.categories:
        earlier = before.by_code.get(category.code)
        if earlier is None:
            found += _new(category, after, parents, answered)
        else:
            found += _differences(earlier, category, before, after, answered)
            if category.code in parents - parents_before and earlier.active:
                found.append(_split(category, after))
    for category in before.categories:
        if category.code not in after.by_code:
            found.append(
                CategoryChange(CategoryChangeKind.REMOVED, category.code, f"{_called(category)} is no longer there")
            )
    return tuple(found)


def counted(found: tuple[CategoryChange, ...]) -> Mapping[str, int]:
    """Return the number of changes of each kind that occurs."""
    kinds = [change.kind for change in found]
    return {kind.value: kinds.count(kind) for kind in CategoryChangeKind if kind in kinds}


def _new(category: Category, after: Taxonomy, parents: Set[str | None], answered: Set[str]) -> Iterator[CategoryChange]:
    where = _place(category, after)
    if category.code in parents:
        yield CategoryChange(CategoryChangeKind.NEW, category.code, f"{_called(category)} is a new group {where}")
    elif not category.active:
        yield CategoryChange(
            CategoryChangeKind.NEW, category.code, f"{_called(category)} is new, and no answer names it"
        )
    else:
        needed = category.code not in answered
        yield CategoryChange(CategoryChangeKind.NEW, category.code, f"{_called(category)} is new {where}", needed)


def _split(category: Category, after: Taxonomy) -> CategoryChange:
    below = [each for each in after.categories if each.parent == category.code]
    shown = ", ".join(each.code for each in below[:5]) + (", …" if len(below) > 5 else "")
    parts = "1 category" if len(below) == 1 else f"{len(below)} categories"
    return CategoryChange(
        CategoryChangeKind.SPLIT, category.code, f"{_called(category)} is split into {parts}: {shown}", True
    )


def _differences(
    earlier: Category, category: Category, before: Taxonomy, after: Taxonomy, answered: Set[str]
) -> Iterator[CategoryChange]:
    code, called = category.code, _called(category)
    if (category.moved_to, category.retired) != (earlier.moved_to, earlier.retired):
        if category.retired:
            yield CategoryChange(
                CategoryChangeKind.RETIRED, code, f"{called} is retired: nothing is answered with it any more"
            )
        elif category.moved_to is not None:
            target = after.by_code[category.moved_to]
            yield CategoryChange(CategoryChangeKind.MERGED, code, f"{called} is merged into {_called(target)}")
        else:
            yield CategoryChange(CategoryChangeKind.RESTORED, code, f"{called} is used again", code not in answered)
    if category.name != earlier.name:
        yield CategoryChange(CategoryChangeKind.RENAMED, code, f"{called} was called {earlier.name!r}")
    elif category.names != earlier.names:
        languages = sorted({name for name, _ in category.names.items() ^ earlier.names.items()})
        yield CategoryChange(
            CategoryChangeKind.RENAMED, code, f"{called} has other names ({', '.join(languages[:10])})"
        )
    if category.parent != earlier.parent:
        detail = f"{called} lies {_place(category, after)} now; it lay {_place(earlier, before)}"
        yield CategoryChange(CategoryChangeKind.MOVED, code, detail)
    if category.guideline != earlier.guideline:
        yield CategoryChange(CategoryChangeKind.DESCRIBED, code, f"{called} has another guideline")
    if category.elsewhere != earlier.elsewhere:
        others = sorted({name for name, _ in category.elsewhere.items() ^ earlier.elsewhere.items()})
        yield CategoryChange(
            CategoryChangeKind.MAPPED, code, f"{called} has other codes elsewhere ({', '.join(others[:10])})"
        )


def _parents(taxonomy: Taxonomy) -> frozenset[str | None]:
    return frozenset(category.parent for category in taxonomy.categories)


def _place(category: Category, taxonomy: Taxonomy) -> str:
    return "at the root" if category.parent is None else f"in {_called(taxonomy.by_code[category.parent])}"


def _called(category: Category) -> str:
    return f"{category.code} ({category.name})"

"""Random taxonomies, and the codes of a model trained on one."""

from hypothesis import strategies as st

from shared.taxonomy import Taxonomy
from shared.taxonomy.categories import Category


@st.composite
def taxonomies(draw: st.DrawFn, *, lively: bool = False) -> Taxonomy:
    """Trees of up to 14 categories, in any order.

    Args:
        lively: Whether leaves may be merged and retired.
    """
    size = draw(st.integers(1, 14))
    parents = [draw(st.none() | st.integers(0, place - 1)) if place else None for place in range(size)]
    leaves = [place for place in range(size) if place not in parents]
    merged: dict[int, int] = {}
    retired: set[int] = set()
    if lively:
        retired = draw(st.sets(st.sampled_from(leaves)))
        ends = [place for place in range(size) if place not in retired]
        for place in leaves:
            later = [end for end in ends if end > place]
            if place not in retired and later and draw(st.booleans()):
                merged[place] = draw(st.sampled_from(later))
    categories = [
        Category(
            code=f"c{place}",
            name=f"Category {place}",
            parent=None if parent is None else f"c{parent}",
            moved_to=f"c{merged[place]}" if place in merged else None,
            retired=place in retired,
        )
        for place, parent in enumerate(parents)
    ]
    return Taxonomy(tuple(draw(st.permutations(categories))))


def ends_of_branches(taxonomy: Taxonomy) -> list[str]:
    """The codes that are nobody's parent, active or not."""
    parents = {category.parent for category in taxonomy.categories}
    return [category.code for category in taxonomy.categories if category.code not in parents]

"""The differences between two taxonomies, in words."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.taxonomy import Taxonomy, read
from shared.taxonomy.categories import Category
from shared.taxonomy.changes import CategoryChange, CategoryChangeKind, changes, counted

SHOES = Category("SHOES", "Chaussures", {"en": "Shoes"})
BOOT = Category("BOOT", "Bottes", {"en": "Boots"}, parent="SHOES")
CLOG = Category("CLOG", "Sabots", parent="SHOES")
HATS = Category("HATS", "Chapeaux")
BEFORE = Taxonomy((SHOES, BOOT, CLOG, HATS))
ANSWERED = {"BOOT", "CLOG", "HATS"}


def found(*after: Category) -> list[tuple[str, str, str, bool]]:
    return [
        (change.kind.value, change.code, change.detail, change.needs_training)
        for change in changes(BEFORE, Taxonomy(after), ANSWERED)
    ]


def test_what_takes_effect_at_once_needs_no_training() -> None:
    after = (
        replace(SHOES, name="Souliers", guideline="On feet."),
        replace(BOOT, names={"en": "Boots", "de": "Stiefel"}, elsewhere={"google": "187"}),
        replace(CLOG, moved_to="BOOT"),
        replace(HATS, parent="SHOES"),
    )

    assert found(*after) == [
        ("renamed", "SHOES", "SHOES (Souliers) was called 'Chaussures'", False),
        ("described", "SHOES", "SHOES (Souliers) has another guideline", False),
        ("renamed", "BOOT", "BOOT (Bottes) has other names (de)", False),
        ("mapped", "BOOT", "BOOT (Bottes) has other codes elsewhere (google)", False),
        ("merged", "CLOG", "CLOG (Sabots) is merged into BOOT (Bottes)", False),
        ("moved", "HATS", "HATS (Chapeaux) lies in SHOES (Souliers) now; it lay at the root", False),
    ]


def test_new_categories_and_splits_need_a_training() -> None:
    ankle = Category("ANKLE", "Bottines", parent="BOOT")

    assert found(SHOES, BOOT, ankle, CLOG, HATS) == [
        ("split", "BOOT", "BOOT (Bottes) is split into 1 category: ANKLE", True),
        ("new", "ANKLE", "ANKLE (Bottines) is new in BOOT (Bottes)", True),
    ]


def test_a_category_that_the_model_answers_by_a_merge_needs_no_training() -> None:
    mule = Category("MULE", "Mules", parent="SHOES")
    after = Taxonomy((SHOES, BOOT, replace(CLOG, moved_to="MULE"), mule, HATS))

    assert [change.needs_training for change in changes(BEFORE, after, {"BOOT", "MULE", "HATS"})] == [False, False]


def test_retired_restored_and_removed_categories_are_named() -> None:
    retired = replace(HATS, retired=True)

    assert found(SHOES, BOOT, CLOG, retired)[0][:2] == ("retired", "HATS")
    assert found(SHOES, BOOT, CLOG) == [("removed", "HATS", "HATS (Chapeaux) is no longer there", False)]
    back = changes(Taxonomy((SHOES, BOOT, CLOG, retired)), BEFORE, {"BOOT"})
    assert back == (CategoryChange(CategoryChangeKind.RESTORED, "HATS", "HATS (Chapeaux) is used again", True),)


CODES = st.sampled_from("abcdefgh")
CELLS = st.fixed_dictionaries(
    {
        "code": CODES,
        "name": st.sampled_from(["One", "Two"]),
        "name:en": st.sampled_from(["", "Deux"]),
        "guideline": st.sampled_from(["", "Here."]),
        "google": st.sampled_from(["", "1"]),
    }
)


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    """Trees of up to eight categories, some of them retired."""
    rows = draw(st.lists(CELLS, min_size=1, unique_by=lambda cells: cells["code"]))
    for position, cells in enumerate(rows):
        cells["parent"] = draw(st.sampled_from(["", *(each["code"] for each in rows[:position])]))
    parents = {cells["parent"] for cells in rows}
    for cells in rows:
        retired = cells["code"] not in parents and draw(st.booleans())
        cells["retired"] = "yes" if retired else ""
    return read(tuple(rows[0]), enumerate(rows, 2))


@given(taxonomies(), taxonomies())
def test_changes_name_exactly_the_categories_that_differ(before: Taxonomy, after: Taxonomy) -> None:
    differ = {
        code
        for code in before.by_code.keys() | after.by_code.keys()
        if before.by_code.get(code) != after.by_code.get(code)
    }
    split = {change.code for change in changes(before, after) if change.kind is CategoryChangeKind.SPLIT}

    assert {change.code for change in changes(before, after)} == differ | split
    assert all(before.by_code[code] in before.leaves and code in {c.parent for c in after.categories} for code in split)
    assert changes(before, before) == ()
    assert sum(counted(changes(before, after)).values()) == len(changes(before, after))


@given(taxonomies(), taxonomies())
def test_what_one_way_is_new_the_other_way_is_removed(before: Taxonomy, after: Taxonomy) -> None:
    there = counted(changes(before, after))
    back = counted(changes(after, before))

    assert there.get("new", 0) == back.get("removed", 0)
    assert there.get("renamed", 0) == back.get("renamed", 0)
    assert there.get("moved", 0) == back.get("moved", 0)

"""Categories are found by code, name or path; any other text is answered with what may be meant."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.taxonomy import RAKUTEN, Taxonomy
from shared.taxonomy.categories import Category
from shared.taxonomy.lookup import Lookup, UnknownCategoryError
from tests.unit.shared.test_taxonomy import taxonomy_of

SHOP = taxonomy_of(
    "W,Femme,,Women",
    "M,Homme,,Men",
    "W-S,Chaussures,W,Shoes",
    "M-S,Chaussures,M,Shoes",
    "W-S-B,Bottes,W-S,Boots",
    "M-S-B,Bottes,M-S,Boots",
    "M-S-B-9,Bottes 9,M-S,",
    "H,Chapeaux,,Hats",
    "10,Livres,,Books",
    "Livres,Autre,,",
    columns="code,name,parent,name:en",
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("W-S-B", "W-S-B"),
        (" w-s-b ", "W-S-B"),
        ("chapeaux", "H"),
        ("HATS", "H"),
        ("10", "10"),
        ("10.0", "10"),
        ("Livres", "Livres"),
        ("books", "10"),
        ("Femme > Chaussures > Bottes", "W-S-B"),
        ("femme>chaussures", "W-S"),
        ("Men > Shoes >Boots", "M-S-B"),
    ],
)
def test_a_category_is_found_by_what_people_write(text: str, code: str) -> None:
    assert Lookup(SHOP).find(text).code == code


@pytest.mark.parametrize("text", ["Bottes", "boots", "Chaussures"])
def test_a_name_of_several_categories_is_not_guessed(text: str) -> None:
    with pytest.raises(UnknownCategoryError, match=r"of 2 categories, such as 'W-S.*: write the code") as error:
        Lookup(SHOP).find(text)
    assert len(error.value.suggestions) == 2


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Chapeau", r"'Chapeau' is neither the code nor the name of a category; did you mean 'H' \(Chapeaux\)\?"),
        ("M-S-B9", "did you mean 'M-S-B-9'"),
        ("zzzz", "category$"),
        ("", "'' is neither"),
        ("x" * 10_000, "…' is neither the code nor the name of a category$"),
    ],
)
def test_what_is_unknown_is_answered_with_what_may_be_meant(text: str, hint: str) -> None:
    with pytest.raises(UnknownCategoryError, match=hint):
        Lookup(SHOP).find(text)


def test_a_name_means_the_leaf_rather_than_what_is_above_or_gone() -> None:
    taxonomy = Taxonomy(
        (
            Category("g", "Livres"),
            Category("leaf", "Livres", parent="g"),
            Category("old", "Livres", moved_to="leaf"),
            Category("gone", "Cartes", retired=True),
        )
    )
    assert Lookup(taxonomy).find("livres").code == "leaf"
    assert Lookup(taxonomy).find("cartes").code == "gone"
    assert Lookup(taxonomy).suggestions("carte") == ()


def test_a_suggestion_among_thousands_takes_a_moment() -> None:
    taxonomy = Taxonomy(tuple(Category(f"C-{number}", f"Category number {number}") for number in range(5_000)))
    lookup = Lookup(taxonomy)
    lookup.suggestions("warm")
    begun = time.process_time()
    assert lookup.suggestions("Categry number 4711")[0].code == "C-4711"
    assert time.process_time() - begun < 2


@given(st.sampled_from(RAKUTEN.categories), st.sampled_from([str.upper, str.lower, str.title]))
def test_every_category_is_found_by_its_code_and_its_path(category: Category, case: Callable[[str], str]) -> None:
    lookup = Lookup(RAKUTEN)
    assert lookup.find(case(category.code)) == category
    path = " > ".join(step.name for step in RAKUTEN.path(category.code))
    assert lookup.find(case(path)) == category


@given(st.text(max_size=300))
def test_no_text_is_too_strange(text: str) -> None:
    with suppress(UnknownCategoryError):
        assert Lookup(SHOP).find(text) in SHOP.categories

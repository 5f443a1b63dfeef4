"""Columns are found by their names in French and English, or as the operator names them."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.catalogue.errors import CatalogueError
from training.catalogue.tables.columns import _SYNONYMS, FIELDS, find_columns


def found(heading: str, **named: str | None) -> dict[str, str]:
    columns = find_columns(heading.split(","), named)
    return {field: columns.heading[place] for field, place in columns.places.items()}


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("id,title,description,image,category", "id,title,description,image,category"),
        ("SKU,Libellé,Descriptif,URL image,Catégorie", "SKU,Libellé,Descriptif,URL image,Catégorie"),
        ("Réf.,Nom du produit,Prix,Photo,Rayon", "Réf.,Nom du produit,,Photo,Rayon"),
        (
            "productId,productName,bodyHtml,imageUrl,categoryPath",
            "productId,productName,bodyHtml,imageUrl,categoryPath",
        ),
        ("designation,prdtypecode", ",designation,,,prdtypecode"),
        ("name,title,label,category", ",title,,,category"),
        ("title_fr,title_en,category", ",title_fr,,,category"),
        ("image,code", ",,,image,code"),
        ("title,title,category", ",title,,,category"),
    ],
)
def test_columns_are_guessed(heading: str, expected: str) -> None:
    pairs = zip(FIELDS, expected.split(","), strict=True)
    assert found(heading) == {field: column for field, column in pairs if column}


def test_named_columns_go_before_guesses_and_an_empty_name_says_that_there_is_none() -> None:
    assert found("title,kind,text,notes,image", category="KIND", title="notes", picture="") == {
        "title": "notes",
        "category": "kind",
        "description": "text",
    }


def test_what_was_found_is_told() -> None:
    told = str(find_columns(["SKU", "Libellé", "Genre", "Prix"], {"category": "genre"}))
    assert told == "id in 'SKU' (guessed), title in 'Libellé' (guessed), category in 'Genre'; not used: 'Prix'"


@pytest.mark.parametrize(
    ("heading", "named", "message"),
    [
        (
            "title,price",
            {},
            r"no column is known to hold the category: the table has 'title', 'price'. Call the column category",
        ),
        ("category,price", {}, "no column is known to hold the title or the description or the picture"),
        (
            "title,category",
            {"title": "Nom"},
            r"'Nom', which import_data.columns.title names, is missing: the table has",
        ),
        ("nom,Nom ,category", {"title": "NOM"}, "occurs 2 times"),
    ],
)
def test_what_is_missing_is_named_with_what_is_there(heading: str, named: dict[str, str], message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        found(heading, **named)


def test_no_name_means_two_things() -> None:
    everything = [name for synonyms in _SYNONYMS.values() for name in synonyms]
    assert len(everything) == len(set(everything))


@given(
    st.lists(st.sampled_from(sorted({name for names in _SYNONYMS.values() for name in names})), max_size=8), st.data()
)
def test_guesses_depend_on_no_order_and_take_no_column_twice(names: list[str], data: st.DataObject) -> None:
    heading = list(dict.fromkeys([*names, "title", "category"]))
    expected = found(",".join(heading))
    assert len(set(expected.values())) == len(expected)
    shuffled = data.draw(st.permutations(heading))
    case = data.draw(st.sampled_from([str.lower, str.upper, str.title]))
    assert found(",".join(map(case, shuffled))) == {field: case(name) for field, name in expected.items()}


@given(st.lists(st.text(max_size=20), max_size=6), st.randoms(use_true_random=False))
def test_no_heading_is_too_strange(heading: list[str], random: Random) -> None:
    try:
        places = find_columns(heading, {"title": random.choice([None, "", "title"])}).places
    except CatalogueError:
        return
    assert all(place < len(heading) for place in places.values())

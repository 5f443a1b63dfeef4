"""Variants of a product have one key, and other products another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.likeness import Looks, picture_key, text_key

VARIANTS = (
    ("T-shirt coton bio noir taille M", "T-shirt coton bio blanche taille XL"),
    ("Clé USB Joxtra 64 Go", "Clé USB Joxtra 256Go bleue"),
    ("Rideau en lin 40x60 cm beige", "Rideau en lin 140 x 260 cm, gris"),
    ("Leather belt, black, 95 cm", "leather BELT brown 110cm"),
    ("Kinderjacke Fleece blau Größe 128", "Kinderjacke Fleece grün Größe 140"),
    ("Roman d'occasion tome 3", "Roman d'occasion, tome 12"),
    ("Coque silicone rouge pour téléphone", "Coque pour téléphone silicone noir"),
)
OTHERS = (
    ("T-shirt coton bio noir", "Chemise coton bio noir"),
    ("Lot de 3", "Lot de 5"),
    ("Livre", "Livres"),
    ("Jeu de plateau", "Jeu de cartes"),
)


@pytest.mark.parametrize(("one", "other"), VARIANTS)
def test_variants_have_one_key(one: str, other: str) -> None:
    assert text_key(one) == text_key(other) != 0


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_products_and_texts_that_say_too_little_have_not(one: str, other: str) -> None:
    assert text_key(one) != text_key(other)


def test_a_text_that_says_too_little_is_like_the_same_text() -> None:
    assert text_key("Lot de 3") == text_key("LOT de 3") != 0
    assert text_key(None) == text_key("!") == 0


def test_the_description_counts() -> None:
    assert text_key("Lampe de bureau", "En bois, 40 cm") == text_key("Lampe de bureau", "En bois, 60 cm")
    assert text_key("Lampe de bureau", "En bois") != text_key("Lampe de bureau", "En métal")


@given(st.text(max_size=60), st.integers(0, 10**6))
def test_a_number_changes_no_key_of_a_text_that_says_enough(text: str, number: int) -> None:
    enough = f"{text} lampe bureau"
    assert text_key(enough) == text_key(f"{enough} {number}")
    assert 0 < text_key(enough) < 2**64


def test_pictures_are_told_by_their_bytes_or_their_place() -> None:
    assert picture_key("ab" * 32, None) == picture_key("ab" * 32, "https://shop.example/1.jpg") != 0
    assert picture_key(None, "https://shop.example/1.jpg") != picture_key(None, "https://shop.example/2.jpg")
    assert picture_key(None, None) == 0
    assert picture_key("0" * 64, None) != 0


LOOKS = st.integers(1, 2**64 - 1)


@given(LOOKS, st.sets(st.integers(0, 63), max_size=12))
def test_looks_are_alike_if_they_differ_in_few_bits(look: int, bits: set[int]) -> None:
    other = look ^ sum(1 << bit for bit in bits)
    assert list(Looks([look]).like(other)) == [look] * (other != 0 and len(bits) <= Looks.FARTHEST)


@given(st.sets(LOOKS, max_size=12), st.lists(LOOKS, max_size=5))
def test_all_looks_that_are_alike_are_found(looks: set[int], others: list[int]) -> None:
    known = Looks(looks)
    for other in [*others, *looks]:
        near = sorted(look for look in looks if (look ^ other).bit_count() <= Looks.FARTHEST)
        assert list(known.like(other)) == near


def test_a_picture_that_tells_nothing_is_like_no_other() -> None:
    assert not Looks([0]).like(0)
    assert not Looks([0, 1]).like(0)

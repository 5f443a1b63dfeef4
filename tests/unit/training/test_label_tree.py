"""Labels make categories, and paths a tree, whatever order, case and blanks they come in."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.taxonomy import TaxonomyError
from shared.taxonomy.lookup import Lookup
from shared.taxonomy.reading import CODE_LIMIT, MOST_LEVELS, folded
from shared.taxonomy.writing import from_json, to_json
from training.catalogue.tables.label_tree import code_of, split_path, tree_of

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=">＞﹥"), min_size=1, max_size=12)
labels = st.lists(names, min_size=1, max_size=4).map(" > ".join) | st.text(max_size=30)


def codes(*written: str) -> list[str]:
    return [category.code for category in tree_of(written).taxonomy.categories]


@pytest.mark.parametrize(
    ("label", "steps"),
    [
        ("Femme > Chaussures > Bottes", ("Femme", "Chaussures", "Bottes")),
        ("Femme>Chaussures>Bottes", ("Femme", "Chaussures", "Bottes")),
        ("  Femme   >\tChaussures  d'été >> ", ("Femme", "Chaussures d'été")),
        ("Femme ＞ Chaussures", ("Femme", "Chaussures")),
        ("Femme / Chaussures", ("Femme / Chaussures",)),
        ("2705", ("2705",)),
        ("e\u0301te\u0301", ("été",)),
        (" > ", ()),
        ("", ()),
    ],
)
def test_a_path_is_split(label: str, steps: Sequence[str]) -> None:
    assert split_path(label) == steps


def test_paths_make_a_tree() -> None:
    taxonomy = tree_of(
        ["Femme > Chaussures > Bottes", "Femme>Chaussures>Sandales", "Homme > Chaussures", "Jeux"]
    ).taxonomy
    assert [leaf.code for leaf in taxonomy.leaves] == [
        "Femme > Chaussures > Bottes",
        "Femme > Chaussures > Sandales",
        "Homme > Chaussures",
        "Jeux",
    ]
    assert [step.name for step in taxonomy.path("Femme > Chaussures > Bottes")] == ["Femme", "Chaussures", "Bottes"]


def test_a_label_above_another_is_no_leaf() -> None:
    assert [leaf.code for leaf in tree_of(["A", "A > B"]).taxonomy.leaves] == ["A > B"]


def test_spellings_are_one_category_and_the_most_frequent_counts() -> None:
    found = tree_of(["bottes", "Bottes", "Bottes", "Femme > bottes", "femme>Bottes", "femme > Bottes"])
    assert [category.code for category in found.taxonomy.categories] == ["Bottes", "femme", "femme > Bottes"]
    assert found.respelled == 3


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (["10.0", "2705.0"], ["10", "2705"]),
        (["10.0", "2705", ""], ["10", "2705"]),
        (["10", "10.0"], ["10"]),
        (["1.0", "1.1"], ["1.0", "1.1"]),
        (["10.0", "shoes"], ["10.0", "shoes"]),
    ],
)
def test_whole_numbers_lose_their_decimals_where_all_are_whole(written: list[str], found: list[str]) -> None:
    assert codes(*written) == found


def test_what_no_name_can_be_makes_no_category() -> None:
    assert codes("a", "x" * 300, "b > \x07 > c", "d\ud800") == ["a", "b"]


def test_a_long_path_has_a_code_of_its_own() -> None:
    deep = [f"{'category' * 8} {number} > {'below' * 8} > leaf {end}" for number in range(3) for end in "ab"]
    found = codes(*deep)
    assert len(set(found)) == len(found) == 3 + 3 + 6
    assert max(map(len, found)) <= CODE_LIMIT
    assert found == codes(*reversed(deep))


@pytest.mark.parametrize("written", [[], [" "], [" > ".join("abcdefghijklmnopqrstuvwxyz"[: MOST_LEVELS + 1])]])
def test_labels_that_make_no_taxonomy_are_refused(written: list[str]) -> None:
    with pytest.raises(TaxonomyError):
        tree_of(written)


@given(st.lists(labels, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_labels_make_a_taxonomy_in_any_order(written: list[str], random: Random) -> None:
    try:
        taxonomy = tree_of(written).taxonomy
    except TaxonomyError as error:
        assert "there is no category" in str(error)  # noqa: PT017
        return
    shuffled = random.sample(written, len(written))
    assert tree_of(shuffled).taxonomy == taxonomy
    assert from_json(to_json(taxonomy)) == taxonomy
    lookup = Lookup(taxonomy)
    for leaf in taxonomy.leaves:
        assert lookup.find(leaf.code) == leaf
        assert code_of(tuple(step.name for step in taxonomy.path(leaf.code))) == leaf.code


@given(st.lists(names, min_size=1, max_size=4), st.sampled_from([">", " > ", " >  ", "\u00a0>\t"]))
def test_every_path_leads_to_the_category_that_it_has_made(steps: list[str], sign: str) -> None:
    label = sign.join(steps)
    if not split_path(label):
        return
    taxonomy = tree_of([label]).taxonomy
    found = Lookup(taxonomy).find(label)
    assert [found] == list(taxonomy.leaves)
    assert tuple(map(folded, split_path(label))) == tuple(folded(step.name) for step in taxonomy.path(found.code))

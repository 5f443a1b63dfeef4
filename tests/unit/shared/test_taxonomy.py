"""Reading a taxonomy: what is a tree is taken, and of what is none every fault is named by its line."""

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.taxonomy import RAKUTEN, Taxonomy, TaxonomyError, read
from shared.taxonomy.categories import Category
from shared.taxonomy.reading import MOST_LEVELS
from shared.taxonomy.writing import digest, from_json, to_json

COLUMNS = ("code", "name", "parent")


def taxonomy_of(*rows: str, columns: str = "code,name,parent,name:fr") -> Taxonomy:
    """Each row's cells are separated by commas; the first row is on line 2."""
    names = columns.split(",")
    return read(names, ((line, dict(zip(names, row.split(","), strict=False))) for line, row in enumerate(rows, 2)))


def faults_of(*rows: str, columns: str = "code,name,parent,name:fr") -> dict[int, str]:
    with pytest.raises(TaxonomyError) as error:
        taxonomy_of(*rows, columns=columns)
    return {fault.line: fault.problem for fault in error.value.faults}


def test_a_tree_has_leaves_and_paths() -> None:
    taxonomy = taxonomy_of("shoes,Shoes,,Chaussures", "boots, Boots ,shoes,", ",,,", "hats,Hats,,")

    assert [leaf.code for leaf in taxonomy.leaves] == ["boots", "hats"]
    assert [category.name for category in taxonomy.path("boots")] == ["Shoes", "Boots"]
    assert taxonomy.by_code["shoes"].names == {"fr": "Chaussures"}


def test_children_may_come_before_their_parent() -> None:
    assert [category.code for category in taxonomy_of("a,A,b", "b,B,").path("a")] == ["b", "a"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (",Shoes,", "the code is empty"),
        ("a,,", "the name is empty"),
        ("known,Again,", "the code 'known' is already that of line 2"),
        ("a,A,nobody", "the parent 'nobody' is no code of this table"),
        ("a,A,a", "the category 'a' is its own parent"),
        ("Kn own,K,", "the code 'Kn own' differs from 'known' (line 2) only in case or blanks"),
        ("ｋnown,K,", "the code 'ｋnown' differs from 'known' (line 2) only in case or blanks"),
        (f"{'a' * 129},A,", "the code has 129 characters; at most 128 are accepted"),
        ("a,A\x07,", "the name has the character '\\x07', which nobody sees"),
        ("a,A,,\ud800", "the name:fr has the character '\\ud800', which nobody sees"),
    ],
)
def test_each_fault_is_named_by_its_line(row: str, problem: str) -> None:
    assert faults_of("known,Known,", row) == {3: problem}


def test_all_faults_are_named_together() -> None:
    assert list(faults_of("a,,", "b,B,x", "c,C,c", "d,D,")) == [2, 3, 4]


def test_a_circle_is_named_once_and_those_below_it_are_not_blamed() -> None:
    faults = faults_of("a,A,b", "b,B,a", "below,B,a", "fine,F,")

    assert faults == {2: "the parents lead in a circle: 'a' in 'b' in 'a'"}


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ("name", "there is no column 'code'"),
        ("code,name,code", "two columns are called 'code'"),
        ("code,name,nom", "the column 'nom' is unknown: 'code', 'name', 'parent', 'guideline'"),
    ],
)
def test_columns_are_checked_before_rows(columns: str, problem: str) -> None:
    faults = faults_of("a,b,c", columns=columns)

    assert list(faults) == [1]
    assert faults[1].startswith(problem)


def test_a_table_without_a_category_is_refused() -> None:
    assert faults_of(",,,") == {1: "there is no category"}


def test_a_message_names_some_faults_and_counts_the_others() -> None:
    with pytest.raises(TaxonomyError, match=r"line 21: the name is empty; and 30 more faults$"):
        taxonomy_of(*(f"c{number},," for number in range(50)))


PARENTS = st.dictionaries(st.integers(0, 30), st.none() | st.integers(0, 30), min_size=1, max_size=31)


@given(PARENTS)
def test_what_is_read_is_a_tree_and_what_is_not_read_is_none(parents: Mapping[int, int | None]) -> None:
    """Beside a check that is slow and plain: from each category the way up ends, after not too many steps."""

    def levels(code: int) -> int | None:
        count = 0
        upper: int | None = code
        while upper is not None:
            count += 1
            if count > len(parents) or upper not in parents:
                return None
            upper = parents[upper]
        return count

    cells = [(c, {"code": f"c{c}", "name": "N", "parent": "" if p is None else f"c{p}"}) for c, p in parents.items()]
    found = {code: levels(code) for code in parents}
    if all(level is not None and level <= MOST_LEVELS for level in found.values()):
        taxonomy = read(COLUMNS, cells)
        assert {code: len(taxonomy.path(f"c{code}")) for code in parents} == found
        assert {leaf.code for leaf in taxonomy.leaves} == {f"c{c}" for c in parents} - {
            f"c{p}" for p in parents.values()
        }
    else:
        with pytest.raises(TaxonomyError) as error:
            read(COLUMNS, cells)
        assert {fault.line for fault in error.value.faults} <= {c for c, level in found.items() if level != 1}


def test_rakuten_has_27_leaves_with_names_in_two_languages_and_guidelines() -> None:
    assert len(RAKUTEN.leaves) == 27
    assert all(leaf.names.keys() == {"fr", "en"} and leaf.guideline and leaf.parent for leaf in RAKUTEN.leaves)
    assert {len(RAKUTEN.path(leaf.code)) for leaf in RAKUTEN.leaves} == {2}


ENDS = "code,name,parent,moved_to,retired"


def test_what_was_merged_leads_to_its_successor_and_is_no_leaf() -> None:
    taxonomy = taxonomy_of("a,A,,b,", "b,B,,c,no", "c,C,,,", "d,D,,,yes", columns=ENDS)

    assert [leaf.code for leaf in taxonomy.leaves] == ["c"]
    assert [taxonomy.successor(code) for code in ("a", "b", "c", "d", "unheard-of")] == [
        "c",
        "c",
        "c",
        None,
        "unheard-of",
    ]


@pytest.mark.parametrize(
    ("rows", "line", "problem"),
    [
        (["a,A,,nowhere,"], 3, "it is moved to 'nowhere', which is no code of this table"),
        (["a,A,,a,"], 3, "its moves lead in a circle"),
        (["a,A,,gone,", "gone,G,,,yes"], 3, "it is moved to 'gone', which is retired"),
        (["a,A,,known,yes"], 3, "it is both retired and moved to another category; only one of these can be"),
        (["a,A,,,yes", "b,B,a,,"], 3, "it has categories below it: merge or retire these, not the category above them"),
        (["a,A,,,perhaps"], 3, "the column retired has 'perhaps'; write yes or no"),
    ],
)
def test_an_unsound_end_of_a_category_is_named(rows: list[str], line: int, problem: str) -> None:
    assert faults_of("known,Known,,,", *rows, columns=ENDS) == {line: problem}


def test_names_are_found_by_language() -> None:
    taxonomy = taxonomy_of("a,Sac,,Bag,Bolso", columns="code,name,parent,name:en,name:es-MX")

    assert [taxonomy.name_of("a", [wanted]) for wanted in ("en-GB", "es", "ES-mx", "de")] == [
        "Bag",
        "Sac",
        "Bolso",
        "Sac",
    ]
    assert taxonomy.name_of("a", ["de", "en"]) == "Bag"
    assert taxonomy.name_of("unheard-of") == "unheard-of"


CODE = st.text("abcXYZ 0-é", min_size=1, max_size=5).map(str.strip).filter(bool)
TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9)


@given(st.lists(st.tuples(CODE, TEXT, TEXT, st.integers(0, 9)), min_size=1, max_size=12), st.randoms())
def test_json_gives_back_every_taxonomy(rows: list[tuple[str, str, str, int]], random: Random) -> None:
    categories: dict[str, Category] = {}
    for code, name, other, kind in rows:
        active = [found.code for found in categories.values() if found.active]
        parent = random.choice([None, *active])
        moved = random.choice(active) if kind == 0 and active else None
        category = Category(code, name, {"en": other}, parent, None, {"google": name}, moved, retired=kind == 1)
        if "".join(code.split()).casefold() not in {"".join(known.split()).casefold() for known in categories}:
            categories[code] = category
    taxonomy = Taxonomy(tuple(categories.values()))
    assert from_json(to_json(taxonomy)) == taxonomy


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"categories": [1]}', '{"categories": [{"code": 1}]}', "[" * 10_000])
def test_json_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(TaxonomyError, match="this is not"):
        from_json(text)


def test_rakutens_taxonomy_is_its_own_json() -> None:
    assert from_json(to_json(RAKUTEN)) == RAKUTEN
    assert digest(RAKUTEN) == digest(from_json(to_json(RAKUTEN)))

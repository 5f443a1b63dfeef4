"""An invented catalogue of any number of categories: a tree of depth 3, codes as text, a long tail, prepared to train.

Each category has words of its own at every level of its path, so that a title tells the department more surely than the
leaf; some titles are vague, and all words are invented.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from shared.pipeline.params import load_params
from shared.taxonomy import TAXONOMY_FILE, Taxonomy, to_json
from shared.taxonomy.categories import Category
from training.catalogue.pictures import Picture, PictureWriter
from training.pipeline.layout import PARTLY_LABELLED
from training.preprocess import prepare

_CONSONANTS, _VOWELS = "bcdfglmnprstvz", "aeiou"
_WORDS = (8, 8, 5)
"""Words of a category on each level of its path."""
_VAGUE = 0.1
"""The share of titles that name the department alone."""
_FILLER = 400
_ZIPF = 1.05
"""The exponent of the long tail: item counts of the categories by rank."""


def taxonomy(leaves: int) -> Taxonomy:
    """Return departments, groups in them, and leaves in these, in about equal shares of a tree of depth 3."""
    departments = max(3, round(leaves ** (1 / 3)))
    groups = max(departments, round(leaves ** (2 / 3)))
    return Taxonomy(
        (
            *(Category(f"D{number:02d}", f"Department {number}") for number in range(departments)),
            *(Category(f"G{n:04d}", f"Group {n}", parent=f"D{n % departments:02d}") for n in range(groups)),
            *(
                Category(f"LEAF-{n:05d}", f"Category {n}", {"fr": f"Catégorie {n}"}, parent=f"G{n % groups:04d}")
                for n in range(leaves)
            ),
        )
    )


def titles(tree: Taxonomy, items: int, seed: int) -> tuple[list[str], list[str]]:
    """Return titles and the codes of their categories; each category has at least one item, and few have many."""
    random = np.random.default_rng(seed)
    codes = [leaf.code for leaf in tree.leaves]
    share = 1 / np.arange(1, len(codes) + 1) ** _ZIPF
    rest = max(items - 2 * len(codes), 0)
    drawn = random.choice(len(codes), size=rest, p=share / share.sum())
    labels = [codes[index] for index in [*range(len(codes)), *range(len(codes)), *drawn.tolist()][:items]]
    vocabulary = _vocabulary(tree)
    filler = [_word(number + 10**7) for number in range(_FILLER)]
    return [_title(tree, code, vocabulary, filler, random) for code in labels], labels


def write(folder: Path, leaves: int, items: int, seed: int = 7, *, pictures: bool = True) -> Path:
    """Write `imported` and `prepared`, as the stages leave them for such a catalogue; return the latter."""
    imported, prepared = folder / "imported", folder / "prepared"
    imported.mkdir(parents=True)
    prepared.mkdir()
    tree = taxonomy(leaves)
    texts, labels = titles(tree, items, seed)
    (imported / TAXONOMY_FILE).write_text(to_json(tree), encoding="utf-8")
    pixels = _picture()
    with PictureWriter(imported / "pictures.parquet") as writer:
        if pictures:
            writer.add(pixels)
    products = pd.DataFrame(
        {
            "row": np.arange(items),
            "id": [f"sku-{row}" for row in range(items)],
            "title": texts,
            "description": pd.Series([None] * items, dtype="str"),
            "category": labels,
            # One picture for each category's first item: the image network must have something to learn from.
            "picture": pd.Series(
                [pixels.sha256 if pictures and row < leaves else None for row in range(items)], dtype="str"
            ),
        }
    )
    products.to_parquet(imported / "products.parquet", index=False)
    nothing = pd.DataFrame({"title": [], "description": []}, dtype="str")
    nothing.to_parquet(imported / "unlabelled.parquet", index=False)
    nothing.assign(category=pd.Series(dtype="str")).to_parquet(imported / PARTLY_LABELLED, index=False)
    (imported / "report.json").write_text(json.dumps({}), encoding="utf-8")
    prepare(imported, prepared, folder / "store", load_params().preprocess)
    return prepared


def _vocabulary(tree: Taxonomy) -> dict[str, list[str]]:
    """The words of each category."""
    words = (_word(number) for number in range(10**9))
    return {
        category.code: [next(words) for _ in range(_WORDS[len(tree.path(category.code)) - 1])]
        for category in tree.categories
    }


def _title(
    tree: Taxonomy, code: str, vocabulary: dict[str, list[str]], filler: list[str], random: np.random.Generator
) -> str:
    path = [category.code for category in tree.path(code)]
    told = path[:1] if random.random() < _VAGUE else path
    own = [str(random.choice(vocabulary[category])) for category in told]
    words = [*own, *map(str, random.choice(filler, size=random.integers(2, 6)))]
    return " ".join(map(str, random.permutation(words)))


def _word(number: int) -> str:
    """An invented word for each number."""
    return "".join(_syllables(number + len(_CONSONANTS) * len(_VOWELS)))


def _syllables(number: int) -> Iterator[str]:
    while number:
        number, part = divmod(number, len(_CONSONANTS) * len(_VOWELS))
        yield _CONSONANTS[part // len(_VOWELS)] + _VOWELS[part % len(_VOWELS)]


def _picture() -> Picture:
    file = io.BytesIO()
    Image.effect_noise((160, 160), 60).convert("RGB").save(file, "JPEG")
    return Picture(hashlib.sha256(file.getvalue()).hexdigest(), file.getvalue())

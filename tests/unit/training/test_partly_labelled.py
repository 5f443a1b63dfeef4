"""What a label above the leaves teaches: the levels that it decides, and nothing of what lies below."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from shared.model.text import TextEncoder
from shared.pipeline.params import load_params
from shared.taxonomy import Taxonomy
from shared.taxonomy.categories import Category
from tests.unit.training import shop
from training.catalogue.product import FindingReason
from training.catalogue.sources import open_source
from training.fit.targets import Targets
from training.fit.text import _within, fit_text, predict_text
from training.import_data import import_catalogue
from training.pipeline.categories import Categories
from training.pipeline.layout import PARTLY_LABELLED
from training.pipeline.prepared import Items, PartlyLabelled

TREE = Taxonomy(
    (
        *(Category("shoes", "Shoes"), Category("boots", "Boots", parent="shoes")),
        *(Category("pumps", "Pumps", parent="shoes"), Category("food", "Food")),
        *(Category("bread", "Bread", parent="food"), Category("tea", "Tea", parent="food")),
    )
)
CATEGORIES = Categories.of(TREE, ["boots", "pumps", "bread", "tea"])
SHOES, FOOD = CATEGORIES.below("shoes"), CATEGORIES.below("food")


def test_the_classes_below_a_category() -> None:
    assert (SHOES.tolist(), FOOD.tolist()) == ([0, 1], [2, 3])
    assert CATEGORIES.below("tea").tolist() == [3]
    assert CATEGORIES.below("nobody").tolist() == []


def test_a_guess_is_shared_out_among_what_its_label_allows() -> None:
    guesses = np.array([[0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.6, 0.0], [0.0, 0.0, 0.5, 0.5]], np.float32)
    partly = PartlyLabelled([["a"], ["b"]], [FOOD, SHOES])
    found = _within(Targets.largest(3, 4, guesses.__getitem__), 1, partly).dense(slice(None))
    assert found[0] == pytest.approx([0, 0, 0.75, 0.25])
    assert found[1] == pytest.approx([0.5, 0.5, 0, 0]), "the teacher knows nothing of shoes here"


def _items(texts: list[list[str]], classes: list[int]) -> Items:
    rows = np.arange(len(texts))
    features = np.full((len(rows), 1), np.nan, np.float16)
    return Items(rows, rows.astype(np.uint64), texts, features, np.array(classes), CATEGORIES)


@pytest.mark.parametrize("with_unlabelled", [False, True])
def test_a_word_of_a_department_alone_leads_to_the_department(with_unlabelled: bool) -> None:
    keras.utils.set_random_seed(3)
    random = np.random.default_rng(3)
    words = [["botte", "cuir"], ["escarpin", "talon"], ["pain", "farine"], ["the", "feuille"]]
    classes = np.repeat(np.arange(4), 40).tolist()
    texts = [[str(random.choice(words[label])), str(random.choice(["lot", "neuf", "grand"]))] for label in classes]
    training, validation = _items(texts, classes), _items(texts[::5], classes[::5])
    partly = PartlyLabelled(
        [[word, str(random.choice(["lot", "neuf"]))] for word in ("chaussure", "aliment") for _ in range(40)],
        [below for below in (SHOES, FOOD) for _ in range(40)],
    )
    unlabelled = [["pain", "neuf"], ["botte", "lot"]] if with_unlabelled else []
    encoder = TextEncoder.fit([*texts, *partly.texts], max_words=4, max_subwords=8, size=500, min_count=1)
    params = load_params().train.text
    small = {"embedding": 16, "units": 16, "epochs": 15, "dropout": 0.1, "word_dropout": 0.0}
    params = params.model_copy(update=small)
    network, _ = fit_text(training, validation, unlabelled, partly, encoder, params, seed=3)
    answers = predict_text(network, encoder, [["chaussure", "grand"], ["aliment", "grand"]])
    assert answers[0, SHOES].sum() > 0.8
    assert answers[1, FOOD].sum() > 0.8
    assert answers[0, SHOES].max() < 0.9 * answers[0, SHOES].sum(), "it tells no leaf"


def test_rows_with_a_label_above_the_leaves_are_reported_and_their_texts_kept(tmp_path: Path) -> None:
    rows = [["Botte", "boots"], ["Escarpin", "pumps"], ["Chaussure", "shoes"], ["Pain", "bread"], ["Rien", "x"]]
    shop.write(tmp_path / "products.csv", ["title", "category"], rows)
    tree = [[category.code, category.name, category.parent or ""] for category in TREE.categories]
    shop.write(tmp_path / "taxonomy.csv", ["code", "name", "parent"], tree)
    report = import_catalogue(open_source(str(tmp_path)), tmp_path / "out", tmp_path / "none")
    found = [(finding.row, finding.reason) for finding in report.findings]
    assert [reason for _, reason in found] == [FindingReason.INNER_CATEGORY, FindingReason.UNKNOWN_CODE]
    assert "teaches only that it is one of these" in report.findings[0].detail
    kept = pd.read_parquet(tmp_path / "out" / PARTLY_LABELLED)
    assert kept[["title", "category"]].to_numpy().tolist() == [["Chaussure", "shoes"]]
    assert len(pd.read_parquet(tmp_path / "out" / "products.parquet")) == 3

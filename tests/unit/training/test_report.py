"""The report of an evaluation, drawn for real from a small made-up prediction."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import csr_matrix
from sklearn.metrics import classification_report

from benchmarks.invented_catalogue import taxonomy
from shared.model.cascade import Cascade, fuse_cascaded, not_looked_at
from shared.model.fusion import Fusion, Probabilities, fuse, softmax
from shared.model.review import Review
from tests.pictures import jpeg
from tests.rakuten import CATEGORIES, CODES
from training.catalogue.pictures import Picture, PictureWriter
from training.evaluate import measure
from training.judge.answers import BundleAnswers
from training.judge.report import write_report
from training.judge.report.charts import _gathered, draw_confusion
from training.judge.report.mistakes import SHOWN, draw_mistakes, list_mistakes
from training.judge.report.style import DPI
from training.judge.review import choose_threshold, judged, review_figures
from training.judge.scores import confusion, coverage_curve, per_class, reliability
from training.pipeline.categories import Categories
from training.pipeline.prepared import Items

ITEMS = 150
TITLES = ["Poupée de chiffon à l'ancienne", None, "Lot à 5 $ pièce, \\frac{ $", "&Eacute;charpe" * 30]
RED = jpeg("#ff0000")
FILES = {
    *("metrics.json", "per_class.csv", "most_frequent.csv", "confusion.csv"),
    *("reliability.csv", "coverage.csv", "mistakes.csv"),
    *("confusion.png", "reliability.png", "coverage.png", "learning_curves.png", "mistakes.png"),
}


@dataclass(frozen=True)
class Case:
    """What a report is made from, and where it is."""

    prediction: BundleAnswers
    items: Items
    review: Review
    imported: Path
    history: Path
    report: Path

    def write(self, report: Path) -> None:
        metrics = measure(self.prediction, self.items, self.review)
        write_report(report, metrics, self.prediction, self.items, self.review, self.history, self.imported)

    def table(self, name: str) -> pd.DataFrame:
        texts = ("code", "confused_with", "id", "actual", "predicted", "text", "image")
        return pd.read_csv(self.report / name, dtype=dict.fromkeys(texts, str))

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        return self.items.has_text | self.items.has_image


def _answered(fused: Probabilities, text: Probabilities, image: Probabilities) -> BundleAnswers:
    """Answers with every picture looked at."""
    return BundleAnswers(fused, text, image, fused, np.zeros(len(fused), bool))


def _branch(random: np.random.Generator, classes: npt.NDArray[np.int64], skill: float) -> Probabilities:
    return softmax(random.normal(size=(len(classes), len(CODES))) + skill * np.eye(len(CODES))[classes])


def _items(classes: npt.NDArray[np.int64], has_text: npt.NDArray[np.bool_], has_image: npt.NDArray[np.bool_]) -> Items:
    features = np.where(has_image[:, None], 0, np.nan).astype(np.float16)
    words = [["mot"] if there else [] for there in has_text]
    rows = 10 + 3 * np.arange(len(classes))
    return Items(
        rows, identities=rows.astype(np.uint64), words=words, features=features, classes=classes, categories=CATEGORIES
    )


def _import(folder: Path, items: Items) -> Path:
    """products.parquet and pictures.parquet of the items, one red picture for all."""
    folder.mkdir()
    digest = sha256(RED).hexdigest()
    with PictureWriter(folder / "pictures.parquet") as pictures:
        pictures.add(Picture(digest, RED))
        pictures.add(Picture("another", jpeg("blue")))
    products = {
        "row": items.rows,
        "id": (1_000_000 + items.rows).astype(str),
        "title": [TITLES[n % len(TITLES)] for n in range(len(items.rows))],
        "picture": [digest if there else None for there in items.has_image],
    }
    # In another order than the items, and with rows that are in other splits.
    more = pd.DataFrame({"row": [1, 2], "id": ["1", "2"], "title": ["a", "b"], "picture": [None, None]})
    pd.concat([more, pd.DataFrame(products)[::-1]]).to_parquet(folder / "products.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("report")
    random = np.random.default_rng(5)
    classes = random.integers(0, len(CODES) - 1, ITEMS)  # the last type has no item
    has_text, has_image = random.random(ITEMS) < 0.8, random.random(ITEMS) < 0.8
    text, image = _branch(random, classes, 2.5), _branch(random, classes, 2.0)
    text[~has_text], image[~has_image] = np.nan, np.nan
    fusion = Fusion(text=1, image=1, text_alone=1.2, image_alone=1.2, bias=(0,) * len(CODES))
    lengths = has_text.astype(np.int64)
    cascade = Cascade(threshold=0.3, text=1.2, loss=0, skipped=0)
    skipped, always = not_looked_at(cascade, text, has_image), fuse(fusion, text, image, lengths).fused
    fused = fuse_cascaded(fusion, cascade, text, image, lengths, skipped).fused
    prediction = BundleAnswers(fused, text, image, always, skipped)
    items = _items(classes, has_text, has_image)
    epochs = [
        {"branch": branch, "epoch": epoch, "loss": 3 - epoch, "val_loss": 3.0, "accuracy": 0.5, "val_accuracy": 0.4}
        for branch, count in (("text", 3), ("image", 1))
        for epoch in range(count)
    ]
    pd.DataFrame(epochs).to_csv(folder / "history.csv", index=False)
    case = Case(
        prediction,
        items,
        choose_threshold(*judged(prediction.fused, classes), 0.9),
        _import(folder / "imported", items),
        folder / "history.csv",
        folder / "report",
    )
    case.write(case.report)
    return case


def test_the_case_has_every_kind_of_item(case: Case) -> None:
    text, image = case.items.has_text, case.items.has_image
    assert all(kind.any() for kind in (text & image, text & ~image, ~text & image, ~text & ~image))
    assert 0 < case.review.coverage < 1


def test_every_file_is_there(case: Case) -> None:
    assert {path.name for path in case.report.iterdir()} == FILES
    metrics = json.loads((case.report / "metrics.json").read_text())
    assert metrics["fusion"]["items"] == case.answered.sum()


@pytest.mark.parametrize(
    ("name", "inches"),
    [
        ("confusion.png", (11, 10.5)),
        ("reliability.png", (8, 8.5)),
        ("coverage.png", (8.5, 6)),
        ("learning_curves.png", (9.5, 6)),
        ("mistakes.png", (13, 13)),
    ],
)
def test_a_picture_has_its_size_and_does_not_name_its_maker(case: Case, name: str, inches: tuple[float, float]) -> None:
    with Image.open(case.report / name) as picture:
        picture.load()
        assert picture.size == tuple(round(side * DPI) for side in inches)
        assert not {"Software", "Creation Time"} & picture.info.keys()


def test_the_same_verdict_gives_the_same_bytes_whatever_matplotlib_is_told(case: Case, tmp_path: Path) -> None:
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 30}):
        case.write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in case.report.iterdir()
    }


def test_the_share_that_is_accepted_grows_as_the_threshold_falls(case: Case) -> None:
    curve = case.table("coverage.csv")
    assert curve["coverage"].is_monotonic_increasing
    assert curve["threshold"].is_monotonic_decreasing
    assert curve["threshold"].is_unique
    assert curve["coverage"].iloc[-1] == pytest.approx(case.answered.mean(), abs=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 9).map(lambda n: n / 10) | st.just(float("nan")), st.booleans()), max_size=40),
)
def test_a_point_of_the_curve_is_what_its_threshold_comes_to(items: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([item[0] for item in items]), np.array([item[1] for item in items], bool)
    curve = coverage_curve(confidence, correct)
    assert set(curve["threshold"]) == set(confidence[~np.isnan(confidence)])
    for threshold, share, precision in curve.itertuples(index=False):
        figures = review_figures(Review(threshold=threshold, precision=0.95, coverage=0), confidence, correct)
        assert figures == {"review_coverage": pytest.approx(share), "review_precision": pytest.approx(precision)}


def test_each_answer_of_a_branch_is_in_one_bin(case: Case) -> None:
    table = case.table("reliability.csv")
    counts = table.groupby("branch")["count"].sum()
    assert counts["text"] == case.items.has_text.sum()
    assert counts["image"] == case.items.has_image.sum()
    assert counts["fusion"] == case.answered.sum()
    assert (table["confidence"] >= table["low"] - 1e-4).all()
    assert (table["confidence"] <= table["high"] + 1e-4).all()


def test_a_bin_tells_how_many_were_right() -> None:
    answers: Probabilities = np.array([[0.9, 0.1], [0.92, 0.08], [0.4, 0.6], [np.nan, np.nan]], np.float32)
    bins = reliability(answers, np.array([0, 1, 1, 0]))
    assert bins["count"].tolist() == [1, 2]
    assert bins["accuracy"].tolist() == [1, 0.5]
    assert bins["confidence"].tolist() == pytest.approx([0.6, 0.91])


def test_the_figures_per_class_are_scikit_learns(case: Case) -> None:
    fused, classes = case.prediction.fused[case.answered], case.items.classes[case.answered]
    codes = np.array(CODES)
    expected = classification_report(
        codes[classes], codes[fused.argmax(axis=1)], labels=codes, output_dict=True, zero_division=0
    )
    table = case.table("per_class.csv")
    assert table["name"].tolist() == list(CATEGORIES.names)
    for line in table.to_dict(orient="records"):
        figures = expected[line["code"]]
        assert [line["precision"], line["recall"], line["f1"], line["support"]] == pytest.approx(
            [figures["precision"], figures["recall"], figures["f1-score"], figures["support"]], abs=5e-5
        )


def test_the_class_that_a_class_is_most_confused_with() -> None:
    said = [0, 0, 1, 2, 2, 3]
    counts = confusion(np.eye(len(CODES), dtype=np.float32)[said], np.array([0, 0, 0, 0, 0, 3]))
    first, fourth = (per_class(counts, CATEGORIES).iloc[row] for row in (0, 3))
    assert (first["confused_with"], first["confused_items"]) == (CODES[2], 2)
    assert first["confused_with_name"] == CATEGORIES.names[2]
    assert (fourth["f1"], fourth["confused_items"]) == (1, 0)
    assert pd.isna(fourth["confused_with"])


def test_where_no_item_was_answered_nothing_was_right_or_confused() -> None:
    nothing = np.full((2, len(CODES)), np.nan, np.float32)
    table = per_class(confusion(nothing, np.array([0, 1])), CATEGORIES)
    assert table[["precision", "recall", "f1", "support", "confused_items"]].to_numpy().sum() == 0


def test_the_confusion_has_a_row_per_answer(case: Case) -> None:
    pairs = case.table("confusion.csv")
    assert len(pairs) == case.answered.sum()
    assert (pairs["actual"] != pairs["predicted"]).sum() == len(case.table("mistakes.csv"))


def test_mistakes_are_wrong_and_the_surest_come_first(case: Case) -> None:
    mistakes = case.table("mistakes.csv")
    assert len(mistakes) > SHOWN
    assert mistakes["confidence"].is_monotonic_decreasing
    assert (mistakes["actual"] != mistakes["predicted"]).all()
    assert (mistakes["id"] == (1_000_000 + mistakes["row"]).astype(str)).all()
    position = {row: n for n, row in enumerate(case.items.rows.tolist())}
    for line in mistakes.to_dict(orient="records"):
        n = position[line["row"]]
        assert line["actual"] == CODES[case.items.classes[n]]
        assert line["predicted"] == CODES[case.prediction.fused[n].argmax()]
        for branch, answers in (("text", case.prediction.text[n]), ("image", case.prediction.image[n])):
            silent = np.isnan(answers[0])
            assert pd.isna(line[branch]) if silent else line[branch] == CODES[answers.argmax()]


def _red(path: Path) -> int:
    """How many pixels are of the one picture's colour."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return int((np.abs(pixels - np.array([254, 0, 0])).sum(axis=2) < 10).sum())


def test_a_mistake_says_whether_its_picture_was_looked_at(case: Case) -> None:
    told = case.table("mistakes.csv").set_index("row")["picture"]
    items, skipped = case.items, dict(zip(case.items.rows, case.prediction.not_looked_at, strict=True))
    assert set(told.dropna()) == {"looked_at", "not_looked_at"}
    for row, picture in told.items():
        has_picture = bool(items.has_image[items.rows == row][0])
        assert has_picture == isinstance(picture, str)
        assert (picture == "not_looked_at") == (has_picture and skipped[row])


def test_the_figures_tell_what_the_cascade_costs_and_saves(case: Case) -> None:
    figures = measure(case.prediction, case.items, case.review)["fusion"]
    both = case.items.has_text & case.items.has_image
    assert figures["pictures_not_looked_at"] == case.prediction.not_looked_at[both].mean() > 0
    assert figures["always_weighted_f1"] != figures["weighted_f1"]


@pytest.mark.parametrize("illustrated", [True, False])
def test_a_mistake_is_shown_with_its_picture_or_an_empty_box(tmp_path: Path, illustrated: bool) -> None:
    wrong = np.eye(len(CODES), dtype=np.float32)[[3]]
    items = _items(np.array([4]), np.array([True]), np.array([illustrated]))
    imported = _import(tmp_path / "imported", items)
    products = pd.read_parquet(imported / "products.parquet")
    mistakes = list_mistakes(_answered(wrong, wrong, wrong), items, products)
    draw_mistakes(mistakes, CATEGORIES.taxonomy, imported, tmp_path / "mistakes.png")
    assert (_red(tmp_path / "mistakes.png") > 10_000) == illustrated


def test_a_model_without_mistakes_has_a_report_too(case: Case, tmp_path: Path) -> None:
    right = np.eye(len(CODES), dtype=np.float32)[case.items.classes]
    prediction = _answered(right, right, right)
    Case(prediction, case.items, case.review, case.imported, case.history, tmp_path).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert pd.read_csv(tmp_path / "mistakes.csv").empty


def test_a_model_that_is_never_sure_has_a_report_too(case: Case, tmp_path: Path) -> None:
    unsure = Review(threshold=None, precision=0.95, coverage=0)
    Case(case.prediction, case.items, unsure, case.imported, case.history, tmp_path).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_of_many_categories_the_most_confused_are_drawn_and_none_is_lost(tmp_path: Path) -> None:
    width, random = 5000, np.random.default_rng(3)
    actual = random.integers(0, width, 20_000)
    answered = np.where(actual % 100 == 7, (actual + 1) % width, actual)  # fifty categories are always taken wrongly
    counts = csr_matrix((np.ones(len(actual), np.int64), (actual, answered)), shape=(width, width))
    shown, names = _gathered(counts, [f"c{number}" for number in range(width)])
    assert shown.shape == (40, 40)
    assert names[-1] == "4,961 others"
    assert all(int(name[1:]) % 100 in (7, 8) for name in names[:-1])
    assert shown.sum() == len(actual)
    draw_confusion(counts, [f"c{number}" for number in range(width)], tmp_path / "confusion.png")
    with Image.open(tmp_path / "confusion.png") as picture:
        assert picture.size == (round(11 * DPI), round(10.5 * DPI))


def test_of_many_categories_what_dvc_plots_has_few_rows_and_columns(case: Case, tmp_path: Path) -> None:
    tree = taxonomy(5000)
    categories = Categories(tree, tuple(leaf.code for leaf in tree.leaves))
    random = np.random.default_rng(5)
    classes = np.minimum(random.geometric(0.002, ITEMS), 5000) - 1
    answered = np.where(random.random(ITEMS) < 0.6, classes, random.integers(0, 5000, ITEMS))
    fused = np.zeros((ITEMS, 5000), np.float32)
    fused[np.arange(ITEMS), answered] = 1
    items = replace(case.items, classes=classes, categories=categories)
    Case(_answered(fused, fused, fused), items, case.review, case.imported, case.history, tmp_path).write(tmp_path)

    pairs = pd.read_csv(tmp_path / "confusion.csv")
    assert len(pairs) == ITEMS
    assert len({*pairs["actual"], *pairs["predicted"]}) <= 40
    assert "others" in set(pairs["actual"])
    every, plotted = (pd.read_csv(tmp_path / name) for name in ("per_class.csv", "most_frequent.csv"))
    assert (len(every), len(plotted)) == (5000, 60)
    assert plotted["support"].sum() == every["support"].nlargest(60).sum()
    assert sum(path.stat().st_size for path in tmp_path.glob("*.csv")) < 1_000_000

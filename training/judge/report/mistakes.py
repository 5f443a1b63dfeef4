"""Lists all wrong answers, the most confident first, and draws a contact sheet of the first ones."""

import html
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from shared.model.cascade import Mask
from shared.model.fusion import Probabilities
from shared.model.images import decode
from shared.taxonomy import Taxonomy
from training.catalogue.pictures import iter_pictures
from training.judge.answers import BundleAnswers
from training.judge.report.style import MARK, PALE, drawn
from training.judge.review import judged
from training.pipeline.categories import Categories
from training.pipeline.prepared import Items

SHOWN = 24
_COLUMNS = 6
_PIXELS = 160
_LETTERS = 30
"""Letters per line beside a picture."""


def list_mistakes(prediction: BundleAnswers, items: Items, products: pd.DataFrame) -> pd.DataFrame:
    """Return a row per wrong answer, the most confident first.

    Its columns are row, id, actual, predicted, confidence, text, image and picture. Categories are codes; text and
    image are the answers of each branch alone, missing if it had no input. `picture` says whether the answer looked at
    it: looked_at or not_looked_at, missing without a picture. `products` is products.parquet.
    """
    categories = items.categories
    confidence, correct = judged(prediction.fused, items.classes)
    wrong = np.flatnonzero(~np.isnan(confidence) & ~correct)
    wrong = wrong[np.lexsort((items.rows[wrong], -confidence[wrong]))]
    return pd.DataFrame(
        {
            "row": items.rows[wrong],
            "id": products.set_index("row")["id"].reindex(items.rows[wrong]).to_numpy(),
            "actual": categories.codes_of(items.classes[wrong]),
            "predicted": _guesses(prediction.fused[wrong], categories),
            "confidence": confidence[wrong],
            "text": _guesses(prediction.text[wrong], categories),
            "image": _guesses(prediction.image[wrong], categories),
            "picture": _pictures(prediction.not_looked_at[wrong], items.has_image[wrong]),
        }
    )


def draw_mistakes(mistakes: pd.DataFrame, taxonomy: Taxonomy, imported: Path, path: Path) -> None:
    """Draw the first `SHOWN` of `list_mistakes`, each with its picture and title from the imported catalogue."""
    worst = mistakes.head(SHOWN)
    products = pd.read_parquet(imported / "products.parquet").set_index("row").loc[worst["row"]]
    wanted = set(products["picture"].dropna())
    pictures = {sha256: data for sha256, data in iter_pictures(imported / "pictures.parquet") if sha256 in wanted}
    rows = max(1, -(-len(worst) // _COLUMNS))
    with drawn(path, 13, 0.6 + 3.1 * rows) as figure:
        figure.suptitle(f"Wrong answers: the {len(worst)} surest of {len(mistakes)}", x=0.01, ha="left")
        grid = figure.subplots(rows, _COLUMNS, squeeze=False)
        for axes in grid.flat[len(worst) :]:
            axes.set_axis_off()
        told = worst.assign(title=products["title"].array, shown=products["picture"].array)
        for axes, mistake in zip(grid.flat, told.to_dict(orient="records"), strict=False):
            _show(axes, pictures.get(mistake["shown"]))
            title = "(no title)" if pd.isna(mistake["title"]) else html.unescape(mistake["title"])
            # Dollar signs in a title do not enclose a formula.
            axes.set_title(_lines(title), fontsize=7.5, parse_math=False)
            unseen = ", picture not looked at" if mistake["picture"] == "not_looked_at" else ""
            answer = f"→ {taxonomy.name_of(mistake['predicted'])} ({mistake['confidence']:.2f}{unseen})"
            said = f"{_lines(taxonomy.name_of(mistake['actual']))}\n{_lines(answer)}"
            axes.set_xlabel(said, fontsize=7.5, loc="left", color=MARK)


def _show(axes: Axes, picture: bytes | None) -> None:
    """Draw the picture as the network sees it, or an empty box."""
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=PALE)
    if picture is None:
        axes.set(facecolor="#f4f4f4", aspect="equal")
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", color="#8c8c8c", fontsize=8)
    else:
        axes.imshow(decode(picture, _PIXELS))


def _lines(text: str) -> str:
    """Wrap the text in at most two lines, shortened with an ellipsis."""
    return "\n".join(textwrap.wrap(text, _LETTERS, max_lines=2, placeholder=" …"))


def _pictures(not_looked_at: Mask, has_image: Mask) -> pd.Series:
    return pd.Series(np.where(not_looked_at, "not_looked_at", "looked_at"), dtype="str").where(has_image)


def _guesses(probabilities: Probabilities, categories: Categories) -> pd.Series:
    """Return each row's most probable code, missing where the row is NaN."""
    spoke = ~np.isnan(probabilities[:, 0])
    best = np.where(spoke[:, None], probabilities, 0).argmax(axis=1)
    return pd.Series(categories.codes_of(best), dtype="str").where(spoke)

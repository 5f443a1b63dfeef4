"""Draws the figures that show tables: confusion, reliability, coverage and learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix

from shared.model.review import Review
from training.judge.report.style import BRANCHES, INK, MARK, PALE, PER_CENT, drawn

_DRAWN = 40
"""The most rows of the drawn confusion."""
_LABELLED = 0.005
"""The smallest share that is written into its cell; a smaller one would read 0."""


def draw_confusion(counts: csr_matrix, names: Sequence[str], path: Path) -> None:
    """Draw which answers the items of each category got, in per cent.

    Of many categories, those with the most wrong answers are drawn, and the others together.

    Args:
        counts: As `scores.confusion` returns them.
        names: The categories', in the same order.
    """
    shown, names = _gathered(counts, names)
    support = shown.sum(axis=1)
    share = np.divide(shown, support[:, None], out=np.full(shown.shape, np.nan), where=support[:, None] > 0)
    with drawn(path, 11, 10.5) as figure:
        axes = figure.add_subplot()
        axes.grid(visible=False)
        axes.set_facecolor("#f0f0f0")  # the colour of a category without items
        axes.imshow(np.ma.masked_invalid(share), cmap="Blues", vmin=0, vmax=1)
        for row, column in np.argwhere(np.nan_to_num(share) >= _LABELLED):
            value = share[row, column]
            colour = "white" if value > 0.55 else INK
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=colour)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        counted = [f"{name}  ({items:,})" for name, items in zip(names, support, strict=True)]
        axes.set_yticks(range(len(names)), counted, fontsize=8)
        axes.set(
            xlabel="predicted", ylabel="actual (items)", title="Where the items of each category went, in per cent"
        )


def drawn_categories(counts: csr_matrix) -> npt.NDArray[np.int64]:
    """Return the categories that the drawn confusion shows one by one, in their order; the rest is drawn together.

    Args:
        counts: As `scores.confusion` returns them.
    """
    width = counts.shape[0]
    if width <= _DRAWN:
        return np.arange(width)
    wrong = np.asarray(counts.sum(axis=1)).ravel() + np.asarray(counts.sum(axis=0)).ravel() - 2 * counts.diagonal()
    return np.sort(np.argsort(-wrong, kind="stable")[: _DRAWN - 1])


def _gathered(counts: csr_matrix, names: Sequence[str]) -> tuple[npt.NDArray[np.int64], Sequence[str]]:
    """Return counts and names of the categories to draw, in their order, and at the end those of all others."""
    width, chosen = len(names), drawn_categories(counts)
    if len(chosen) == width:
        return counts.toarray(), names
    place = np.full(width, len(chosen))
    place[chosen] = np.arange(len(chosen))
    pairs = counts.tocoo()
    found = np.zeros((len(chosen) + 1, len(chosen) + 1), np.int64)
    np.add.at(found, (place[pairs.row], place[pairs.col]), pairs.data)
    return found, [*(names[number] for number in chosen), f"{width - len(chosen):,} others"]


def draw_reliability(table: pd.DataFrame, path: Path) -> None:
    """Draw confidence against accuracy; `table` has the columns of `training.judge.scores.reliability`, and `branch`.

    The area of a dot shows how many of the branch's items are in the bin.
    """
    with drawn(path, 8, 8.5) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=PALE, linestyle="--", label="as sure as right")
        for branch, bins in table.groupby("branch", sort=False):
            colour, items = BRANCHES[str(branch)], bins["count"].sum()
            error = np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["count"])
            label = f"{branch}: calibration error {error:.3f}, {items:,} items"
            axes.plot(bins["confidence"], bins["accuracy"], color=colour, linewidth=1.2, label=label)
            axes.scatter(bins["confidence"], bins["accuracy"], 8 + 400 * bins["count"] / items, colour, alpha=0.45)
        axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.set(xlabel="confidence", ylabel="share of right answers", title="Is the confidence what it says?")
        axes.xaxis.set_major_formatter(PER_CENT)
        axes.yaxis.set_major_formatter(PER_CENT)
        figure.legend(loc="outside lower left")


def draw_coverage(curve: pd.DataFrame, review: Review, achieved: Mapping[str, float], path: Path) -> None:
    """Draw the accepted share against the precision of what is accepted; `curve` is `scores.coverage_curve`'s.

    The bundle's own threshold is marked if it accepts any item; `achieved` holds its `review_coverage` and
    `review_precision` on the same items.
    """
    with drawn(path, 8.5, 6) as figure:
        axes = figure.add_subplot()
        axes.plot(curve["coverage"], curve["precision"], color=BRANCHES["fusion"], drawstyle="steps-post")
        asked = f"{review.precision:.0%} right"
        axes.axhline(review.precision, color=MARK, linestyle="--", linewidth=1, label=f"{asked} is asked for")
        if "review_precision" in achieved:
            share, precision = achieved["review_coverage"], achieved["review_precision"]
            label = f"threshold {review.threshold}: {share:.0%} accepted, {precision:.1%} of them right"
            axes.plot(share, precision, color=MARK, marker="o", linestyle="none", label=label)
        lowest = min(curve["precision"].min(), review.precision) if len(curve) else 0
        axes.set(xlim=(0, 1.01), ylim=(max(0, lowest - 0.05), 1.01))
        axes.set(xlabel="accepted, the surest first", ylabel="right among the accepted")
        axes.set_title("How much can be accepted without a person's look?")
        axes.xaxis.set_major_formatter(PER_CENT)
        axes.yaxis.set_major_formatter(PER_CENT)
        figure.legend(loc="outside lower left")


def draw_learning_curves(history: pd.DataFrame, path: Path) -> None:
    """Draw a row per network and a column per figure; `history` has branch, epoch, and pairs (loss and val_loss)."""
    branches = list(history["branch"].unique())
    figures = [name for name in history.columns if f"val_{name}" in history.columns]
    with drawn(path, 4.75 * len(figures), 3 * len(branches)) as figure:
        grid = figure.subplots(len(branches), len(figures), squeeze=False)
        for panels, branch in zip(grid, branches, strict=True):
            epochs = history[history["branch"] == branch]
            for axes, name in zip(panels, figures, strict=True):
                number = epochs["epoch"] + 1
                axes.plot(number, epochs[name], color=PALE, marker=".", label="train")
                axes.plot(
                    number,
                    epochs[f"val_{name}"],
                    color=BRANCHES[str(branch).partition("-")[0]],
                    marker=".",
                    label="validation",
                )
                axes.set(title=f"{branch}: {name}", xlabel="epoch")
                axes.xaxis.get_major_locator().set_params(integer=True)
                axes.legend()

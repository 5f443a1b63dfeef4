"""Gives every figure of the report one look; the same figure always has the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

DPI = 110
INK, PALE, MARK = "#333333", "#c4c4c4", "#b5452c"
BRANCHES = {"text": "#2f6fab", "image": "#d0842c", "fusion": "#333333"}
"""The colour of each branch in every figure."""
PER_CENT = PercentFormatter(xmax=1, decimals=0)

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#8c8c8c",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
    "font.family": "DejaVu Sans",  # it comes with matplotlib, accents included
    "font.size": 10,
    "grid.color": "#ebebeb",
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def drawn(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of width × height inches to draw on, and write it to `path` as PNG with `DPI` dots per inch.

    A user's own matplotlibrc does not change it, and the file does not name the software that drew it.
    """
    with style.context(_STYLE, after_reset=True):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        yield figure
        figure.savefig(path, format="png", metadata={"Software": None})

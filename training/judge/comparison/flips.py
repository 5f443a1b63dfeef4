"""Where two models differ: by category, and item by item."""

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from shared.model.images import decode
from training.catalogue.pictures import iter_pictures
from training.judge.gate_checks import Answers
from training.judge.review import judged
from training.judge.scores import confusion, per_class
from training.pipeline.prepared import Items

SHOWN = 24
"""Items that each list of the page shows."""
_PIXELS, _QUALITY = 128, 70
_LETTERS = 110
"""Characters shown of a title."""

Pictures = dict[str, str]
"""sha256 of a picture to a `data:` address of a small copy."""


@dataclass(frozen=True)
class Compared:
    """What the gate asked two models, and what they answered; without a champion there is one model."""

    items: Items
    champion: Answers | None
    challenger: Answers
    decides: bool = True
    """Whether the verdict rests on these items; if not, they are shown to the person who decides."""


@dataclass(frozen=True)
class Flip:
    """An item that one of the models got right and the other wrong, or a mistake where there is no champion."""

    title: str
    picture: str | None
    label: str
    before: str | None
    before_confidence: float
    after: str
    after_confidence: float


def categories(compared: Compared) -> list[dict[str, Any]]:
    """Return name, code, items, before, after and gain (F1) per category with items.

    First come those that cost the weighted F1 most, which counts a category by its items; without a champion, the
    weakest.
    """
    classes, known = compared.items.classes, compared.items.categories
    after = per_class(confusion(compared.challenger.fused, classes), known)
    before = after if compared.champion is None else per_class(confusion(compared.champion.fused, classes), known)
    table = pd.DataFrame(
        {
            "name": after["name"],
            "code": after["code"],
            "items": after["support"],
            "before": before["f1"],
            "after": after["f1"],
            "gain": (after["f1"] - before["f1"]).round(4),
        }
    )
    weight = table["after"] if compared.champion is None else table["gain"] * table["items"]
    table = table.assign(order=weight)[table["items"] > 0].sort_values(["order", "code"])
    lines = table.drop(columns="order").to_dict(orient="records")
    return [{str(key): value for key, value in line.items()} for line in lines]


@dataclass(frozen=True)
class Flips:
    """The items of a list that are shown, and how many there are."""

    total: int
    shown: list[Flip]


def find_flips(compared: Compared, imported: Path) -> dict[str, Flips]:
    """Return the lists `worse` and `better`, each with its surest answers first; `imported` is what `import_data` left.

    Without a champion, `worse` holds the challenger's mistakes and `better` nothing.
    """
    sure, right = judged(compared.challenger.fused, compared.items.classes)
    if compared.champion is None:
        chosen = {"worse": _surest(~right, sure), "better": np.array([], np.int64)}
    else:
        sure_before, right_before = judged(compared.champion.fused, compared.items.classes)
        # The surer the wrong answer, the more there is to learn from it.
        chosen = {
            "worse": _surest(right_before & ~right, sure),
            "better": _surest(~right_before & right, sure_before),
        }
    products = pd.read_parquet(imported / "products.parquet", columns=["row", "title", "picture"])
    products = products.set_index("row")
    shown = np.concatenate([rows[:SHOWN] for rows in chosen.values()])
    hashes = products["picture"].reindex(compared.items.rows[shown]).dropna()
    pictures = _small(set(hashes), imported)
    return {
        name: Flips(len(rows), [_flip(compared, row, products, pictures) for row in rows[:SHOWN]])
        for name, rows in chosen.items()
    }


def _surest(chosen: npt.NDArray[np.bool_], confidence: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero(chosen & ~np.isnan(confidence))
    return rows[np.lexsort((rows, -confidence[rows]))]


def _flip(compared: Compared, index: int, products: pd.DataFrame, pictures: Pictures) -> Flip:
    product = products.loc[compared.items.rows[index]]
    title = "(no title)" if pd.isna(product["title"]) else html.unescape(product["title"])
    before, before_confidence = (
        (None, 0.0) if compared.champion is None else _answer(compared, compared.champion, index)
    )
    after, after_confidence = _answer(compared, compared.challenger, index)
    return Flip(
        title=title if len(title) <= _LETTERS else f"{title[: _LETTERS - 1]}…",
        picture=None if pd.isna(product["picture"]) else pictures.get(product["picture"]),
        label=compared.items.categories.names[compared.items.classes[index]],
        before=before,
        before_confidence=before_confidence,
        after=after,
        after_confidence=after_confidence,
    )


def _answer(compared: Compared, answers: Answers, index: int) -> tuple[str, float]:
    best = answers.fused[index].argmax()
    return compared.items.categories.names[best], float(answers.fused[index][best])


def _small(hashes: set[str], imported: Path) -> Pictures:
    """Return small JPEG copies of the pictures, a few kilobytes each."""
    found = ((sha256, data) for sha256, data in iter_pictures(imported / "pictures.parquet") if sha256 in hashes)
    return {sha256: data_address(_jpeg(data), "image/jpeg") for sha256, data in found}


def _jpeg(data: bytes) -> bytes:
    small = io.BytesIO()
    Image.fromarray(decode(data, _PIXELS)).save(small, "JPEG", quality=_QUALITY, optimize=True)
    return small.getvalue()


def data_address(data: bytes, media_type: str) -> str:
    """Return a `data:` address, which holds the bytes themselves."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

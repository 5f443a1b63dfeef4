"""The measuring set: products with titles and 500×500 pictures, from a folder of real ones or generated."""

import argparse
import base64
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from catalog_client import read_items
from shared.model.bundle import Bundle
from shared.taxonomy import RAKUTEN
from shared.words import words
from training.catalogue.challenge import UNLABELLED_FILE, UNLABELLED_PICTURES_FOLDER, picture_name
from training.pipeline.splits import identify
from training.sample.catalogue import generate

SIDE = 500
_DETAIL = 0.4
"""The share of noise in a generated picture, so that its JPEG is as large as a photograph's."""
_COMMENT = b"\xff\xfe"
"""JPEG's marker of a comment."""


@dataclass(frozen=True)
class Product:
    title: str
    description: str
    picture: bytes
    """A JPEG."""


@dataclass(frozen=True)
class MeasuringSet:
    products: list[Product]
    description: str
    """For the notes of a result: which set it was."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--pictures` and `--titles`, for real products; without them a set is generated."""
    parser.add_argument("--pictures", type=Path, help="a folder of image_<imageid>_product_<productid>.jpg")
    parser.add_argument("--titles", type=Path, help="the challenge's CSV with their titles (X_train_update.csv)")


def as_typed(options: argparse.Namespace) -> str:
    """The options as they follow a result's command, without this machine's folders."""
    return " --pictures FOLDER --titles CSV" if options.pictures else ""


def load(options: argparse.Namespace, count: int, new_to: Bundle | None = None) -> MeasuringSet:
    """`count` products; fewer pictures than that are used in turn, with other bytes each time.

    Args:
        new_to: A model; of products that it has learned none is used, because it is surer of their texts.

    Raises:
        SystemExit: one of the two options without the other, or no (new) product has both a title and a picture.
    """
    if (options.pictures is None) != (options.titles is None):
        raise SystemExit("--pictures and --titles go together: the folder, and the table with its products' titles")
    real = options.pictures is not None
    known = _real(options.titles, options.pictures) if real else _generated(count)
    if new_to is not None:
        known = _not_learned(known, new_to)
    if not known:
        raise SystemExit(f"no row of {options.titles}, or no new one, has its picture in {options.pictures}")
    products = [
        product if turn == 0 else with_other_bytes(product, f"turn {turn}")
        for turn, product in ((number // len(known), known[number % len(known)]) for number in range(count))
    ]
    size = sum(len(product.picture) for product in products) / len(products) / 1000
    source = f"{min(count, len(known))} real products" if real else "generated products"
    return MeasuringSet(products, f"{count} items: {source}, {SIDE}×{SIDE} JPEGs of {size:.0f} kB on average")


def with_other_bytes(product: Product, mark: str) -> Product:
    """The same picture in new bytes, by a comment in the JPEG, so that no store or cache knows it."""
    text = mark.encode()
    segment = _COMMENT + (len(text) + 2).to_bytes(2, "big") + text
    return Product(product.title, product.description, product.picture[:2] + segment + product.picture[2:])


def _not_learned(products: list[Product], bundle: Bundle) -> list[Product]:
    if (known := bundle.known) is None:
        return products
    texts = [" ".join(words(product.title, product.description)) for product in products]
    learned = np.isin(identify(texts, [None] * len(texts)), known.identities[known.learned])
    return [product for product, is_known in zip(products, learned, strict=True) if not is_known]


def as_item(product: Product) -> dict[str, Any]:
    """The product as an item for the service."""
    picture = base64.b64encode(product.picture).decode()
    return {"title": product.title, "description": product.description, "image": {"base64": picture}}


def unseen(products: Sequence[Product], count: int, mark: str) -> Callable[[], Iterator[dict[str, Any]]]:
    """`count` items, generated for each attempt to send them: the products in turn, with bytes unique to `mark`."""

    def items() -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield as_item(with_other_bytes(products[number % len(products)], f"{mark} {number}"))

    return items


def _real(titles: Path, pictures: Path) -> list[Product]:
    with titles.open(encoding="utf-8", newline="") as file:
        rows = [
            (row, pictures / picture_name(int(row["imageid"]), int(row["productid"]))) for row in csv.DictReader(file)
        ]
    return [Product(row["designation"], row["description"], path.read_bytes()) for row, path in rows if path.is_file()]


def _generated(count: int) -> list[Product]:
    """The sample catalogue's products, their drawn pictures given as much detail as photographs."""
    with TemporaryDirectory() as folder:
        sample = Path(folder)
        generate(sample, per_type=1, test_items=count + max(count // 2, len(RAKUTEN.leaves)))  # some have no picture
        table = read_items(sample / UNLABELLED_FILE, sample / UNLABELLED_PICTURES_FOLDER)
        items = [item for item in table if "image" in item][:count]
    return [
        Product(item.get("title", ""), item.get("description", ""), picture)
        for item, picture in zip(items, _photographs(items), strict=True)
    ]


def _photographs(items: list[dict[str, Any]]) -> Iterator[bytes]:
    random = Random(7)
    for item in items:
        with Image.open(io.BytesIO(base64.b64decode(item["image"]["base64"]))) as drawn:
            picture = Image.blend(drawn.convert("RGB").resize((SIDE, SIDE)), _texture(random), _DETAIL)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        yield buffer.getvalue()


def _texture(random: Random) -> Image.Image:
    """Noise of every scale, each two thirds as strong as the next coarser one, much as in natural pictures."""
    total, strength = np.zeros((SIDE, SIDE, 3), np.float32), 1.0
    for cells in (4, 8, 16, 32, 64, 128, 256):
        noise = Image.frombytes("RGB", (cells, cells), random.randbytes(3 * cells * cells))
        total += strength * np.asarray(noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
        strength *= 2 / 3
    return Image.fromarray((total * (255 / total.max())).astype(np.uint8))

"""A small shop's catalogue, written by hand in French, English and German, for demonstrations.

`python -m training.sample.shop FOLDER` writes it: `products.csv` and drawn pictures. Its products were not chosen by
what a model says of them; what each of them is stands in `shop.csv`, for tests.
"""

import argparse
import csv
from pathlib import Path
from random import Random
from typing import NamedTuple

from training.sample.pictures import draw_picture
from training.sample.vocabulary import VOCABULARY

PRODUCTS_FILE, PICTURES_FOLDER = "products.csv", "pictures"
_TEXTS = Path(__file__).parent / "shop.csv"
_NO_PICTURE = 0.15
_SEED = 7
_JPEG_QUALITY = 85


class ShopProduct(NamedTuple):
    """A product, as `shop.csv` has it."""

    code: str
    language: str
    title: str
    description: str


def products() -> list[ShopProduct]:
    """Return all products, in the order of the file."""
    with _TEXTS.open(encoding="utf-8", newline="") as file:
        return [ShopProduct(**row) for row in csv.DictReader(file)]


def generate(folder: Path, most: int | None = None) -> None:
    """Write the table and the pictures, the same at each call; raises `FileExistsError` if a table is there.

    Args:
        most: The largest number of products; by default all.
    """
    random = Random(_SEED)  # noqa: S311  # a shuffle
    shuffled = random.sample(products(), k=len(products()))[:most]
    pictures = folder / PICTURES_FOLDER
    pictures.mkdir(parents=True, exist_ok=True)
    with (folder / PRODUCTS_FILE).open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "title", "description", "image", "language"))
        for number, product in enumerate(shuffled, 1):
            picture = "" if random.random() < _NO_PICTURE else f"sku-{number:03}.jpg"
            if picture:
                draw_picture(VOCABULARY[product.code].look, random).save(pictures / picture, quality=_JPEG_QUALITY)
            writer.writerow((f"sku-{number:03}", product.title, product.description, picture, product.language))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.sample.shop", description="Write a shop's catalogue.")
    parser.add_argument("folder", type=Path, help="folder to write it to")
    parser.add_argument("--items", type=int, help="the largest number of products; by default all")
    arguments = parser.parse_args()
    folder = arguments.folder
    try:
        generate(folder, arguments.items)
    except FileExistsError:
        parser.error(f"{folder} already holds a {PRODUCTS_FILE}; name another folder or delete it first")


if __name__ == "__main__":
    main()

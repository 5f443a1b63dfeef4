"""A small catalogue of invented products in the challenge's own format, for tests and for a first run without data.

`python -m training.sample.catalogue FOLDER --per-type 12 --test-items 54 --seed 7` writes it. Neither titles nor
pictures suffice to classify every item: some titles are vague, and some pictures are
missing or look like another type's.
"""

import argparse
import csv
import re
import unicodedata
from collections.abc import Iterable
from html.entities import codepoint2name
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from training.catalogue.challenge import (
    LABELS_FILE,
    PICTURES_FOLDER,
    PRODUCTS_FILE,
    UNLABELLED_FILE,
    UNLABELLED_PICTURES_FOLDER,
    picture_name,
)
from training.sample.pictures import draw_picture
from training.sample.vocabulary import CLOSINGS, DETAILS, OPENINGS, STOP_WORDS, VAGUE_NOUNS, VOCABULARY, Vocabulary

CODES = tuple(VOCABULARY)

# Shares of the rows.
CLEANED = 0.5  # title lower-cased, without accents and stop words; no description
DESCRIBED = 0.7  # share of the rows that are not cleaned
VAGUE_TITLE = 0.1
FOREIGN_BRAND = 0.2
FOREIGN_LOOK = 0.1
NO_PICTURE = 0.1

PRODUCT_IDS = range(50_000_000, 4_300_000_000)
IMAGE_IDS = range(850_000_000, 1_340_000_000)
JPEG_QUALITY = 85


class Item(NamedTuple):
    """A row of the catalogue; `row` numbers the training items, then the test items."""

    row: int
    code: str
    designation: str
    description: str
    productid: int
    imageid: int


def generate(folder: Path, per_type: int = 12, test_items: int = 54, seed: int = 7) -> None:
    """Write a catalogue of `per_type` training items of each of the 27 types and `test_items` items without labels.

    The same arguments give the same files. About one item in ten names a picture that does not exist.
    Raises `ValueError` if `per_type` is below 1 or `test_items` below 0, and `FileExistsError` if the folder already
    holds a catalogue, which might be a real one.
    """
    if per_type < 1 or test_items < 0:
        raise ValueError(f"per_type is {per_type} and test_items {test_items}; take at least 1 and 0")
    if (folder / PRODUCTS_FILE).exists():
        raise FileExistsError(f"{folder} already holds a {PRODUCTS_FILE}; name another folder or delete it first")
    random = Random(seed)  # noqa: S311  # invented products need no secrecy
    codes = random.sample(CODES * per_type, k=len(CODES) * per_type)
    test_codes = random.sample(list(islice(cycle(CODES), test_items)), k=test_items)
    items = _compose_items(codes + test_codes, random)
    train, test = items[: len(codes)], items[len(codes) :]

    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(folder / PRODUCTS_FILE, ("", *Item._fields[2:]), (_without_code(item) for item in train))
    _write_csv(folder / LABELS_FILE, ("", "prdtypecode"), ((item.row, item.code) for item in train))
    _write_csv(folder / UNLABELLED_FILE, ("", *Item._fields[2:]), (_without_code(item) for item in test))
    _draw_pictures(folder / PICTURES_FOLDER, train, random)
    _draw_pictures(folder / UNLABELLED_PICTURES_FOLDER, test, random)


def _compose_items(codes: list[str], random: Random) -> list[Item]:
    productids = random.sample(PRODUCT_IDS, k=len(codes))
    imageids = random.sample(IMAGE_IDS, k=len(codes))
    return [
        Item(row, code, *_compose_texts(VOCABULARY[code], random), productid, imageid)
        for row, (code, productid, imageid) in enumerate(zip(codes, productids, imageids, strict=True))
    ]


def _without_code(item: Item) -> tuple[int | str, ...]:
    return item.row, *item[2:]


def _compose_texts(vocabulary: Vocabulary, random: Random) -> tuple[str, str]:
    """Return a designation and a description, which may be empty."""
    brands = random.choice(tuple(VOCABULARY.values())).brands if random.random() < FOREIGN_BRAND else vocabulary.brands
    if random.random() < VAGUE_TITLE:
        title = f"{random.choice(VAGUE_NOUNS)} {random.choice(brands)} réf. {random.randint(1000, 9999)}"
        return (_cleaned(title) if random.random() < CLEANED else title), ""
    words = {
        "noun": random.choice(vocabulary.nouns),
        "quality": random.choice(vocabulary.qualities),
        "brand": random.choice(brands),
        "measure": random.choice(vocabulary.measures).replace("{}", str(random.randint(10, 99))),
        "number": str(random.randint(10, 99)),
    }
    title = random.choice(
        ("{brand} {noun} {quality}", "{noun} {quality} - {measure}", "{noun} {brand} {measure}", "{noun} {quality}")
    ).format(**words)
    if random.random() < CLEANED:
        return _cleaned(title), ""
    return title, _compose_description(words, random) if random.random() < DESCRIBED else ""


def _compose_description(words: dict[str, str], random: Random) -> str:
    opening = random.choice(OPENINGS).format(**words)
    details = [detail.format(**words) for detail in random.sample(DETAILS, k=2)]
    closing = random.choice(CLOSINGS).format(**words)
    if random.random() < 0.5:
        return " ".join((opening, *(f"{detail}." for detail in details), closing))
    entries = "".join(f"<li>{_escaped(detail)}</li>" for detail in details)
    return f"<p><b>{_escaped(opening)}</b></p><ul>{entries}</ul>{_escaped(closing)}<br />"


def _escaped(text: str) -> str:
    """Return the text as older shop software writes HTML: with an entity for every character that has one."""
    text = "".join(f"&{codepoint2name[ord(char)]};" if ord(char) in codepoint2name else char for char in text)
    return text.replace("'", "&#39;")


def _cleaned(text: str) -> str:
    """Return the text like most of the challenge's titles: lower case, no accents, punctuation or stop words."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return " ".join(word for word in re.findall(r"[a-z0-9]+", plain) if word not in STOP_WORDS)


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[int | str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _draw_pictures(folder: Path, items: list[Item], random: Random) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        if random.random() < NO_PICTURE:
            continue
        code = random.choice(CODES) if random.random() < FOREIGN_LOOK else item.code
        picture = draw_picture(VOCABULARY[code].look, random)
        picture.save(folder / picture_name(item.imageid, item.productid), quality=JPEG_QUALITY)


def main() -> None:
    """Write the catalogue that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m training.sample.catalogue", description="Write an invented catalogue."
    )
    parser.add_argument("folder", type=Path, help="folder to write it to")
    parser.add_argument("--per-type", type=int, default=12, help="number of training items of each of the 27 types")
    parser.add_argument("--test-items", type=int, default=54, help="number of items without labels")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same files")
    arguments = parser.parse_args()
    try:
        generate(arguments.folder, arguments.per_type, arguments.test_items, arguments.seed)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

"""A small shop of its own: twelve categories in a tree of three levels, products, and a picture for most of them."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

_LEAVES = {
    "W-SHOE": ("Bottes", "Sandales", "Escarpins"),
    "W-BAG": ("Cabas", "Pochettes"),
    "M-SHOE": ("Mocassins", "Baskets", "Bottines"),
    "H-KIT": ("Poêles", "Couteaux", "Bols", "Plats"),
}
CATEGORIES = [
    ["Code ", "NAME", "name:EN", "Parent", "guideline"],
    ["W", "Femme", "Women", "", ""],
    ["M", "Homme", "Men", "", ""],
    ["H", "Maison", "Home", "", ""],
    ["W-SHOE", "Chaussures femme", "Women's shoes", "W", ""],
    ["W-BAG", "Sacs", "Bags", "W", ""],
    ["M-SHOE", "Chaussures homme", "Men's shoes", "M", ""],
    ["H-KIT", "Cuisine", "Kitchen", "H", ""],
    *(
        [f"{above}-{end}", name, "", above, "Of steel" if above == "H-KIT" else ""]
        for above, names in _LEAVES.items()
        for end, name in zip("ABCD", names, strict=False)
    ),
]
"""A table as somebody types it: with blanks and capitals in its heading."""
LEAVES = [code for code, *_ in CATEGORIES[1:] if len(code.split("-")) == 3]
NAMES = {code: name for code, name, *_ in CATEGORIES[1:]}
ENGLISH = {code: english for code, _, english, *_ in CATEGORIES[1:]}
PARENTS = {code: parent for code, _, _, parent, _ in CATEGORIES[1:]}
HEADING = ["SKU", "Libellé", "Descriptif", "Photo", "Catégorie", "Prix"]

assert len(LEAVES) == 12


def path_of(code: str) -> str:
    above = PARENTS[code]
    return f"{path_of(above)} > {NAMES[code]}" if above else NAMES[code]


def rows(per_leaf: int = 2, form: str = "code") -> list[list[str]]:
    """The products below `HEADING`, labelled with codes, names or paths; the last one of each leaf has no picture."""
    labels: dict[str, Callable[[str], str]] = {"code": str, "name": NAMES.__getitem__, "path": path_of}
    return [
        [
            f"S-{leaf}-{number}",
            f"{NAMES[leaf]} été n° {number}; 5 €",
            "" if number else f"De qualité, {leaf.lower()}",
            f"{leaf}/{number}.png" if number < per_leaf - 1 else "",
            labels[form](leaf),
            "9,50",
        ]
        for leaf in LEAVES
        for number in range(per_leaf)
    ]


def picture(name: str) -> bytes:
    """A picture of its own for each name."""
    content = io.BytesIO()
    red, green, blue, *_ = sha256(name.encode()).digest()
    Image.new("RGB", (24, 24), (red, green, blue)).save(content, format="PNG")
    return content.getvalue()


def pictures(table: Sequence[Sequence[str]]) -> dict[str, bytes]:
    return {row[3]: picture(row[3]) for row in table if row[3]}


def write(path: Path, heading: Sequence[str], table: Sequence[Sequence[str]], **form: str) -> None:
    """Write a table in the form that the path's suffix names; `form` has `encoding` and `separator` of a CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for cells in (heading, *table):
            sheet.append([*cells])
        book.save(path)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({name: [row[at] for row in table] for at, name in enumerate(heading)}), path)
    elif path.suffix in (".ndjson", ".jsonl"):
        path.write_text("".join(json.dumps(dict(zip(heading, row, strict=True))) + "\n" for row in table))
    else:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=form.get("separator", ",")).writerows([heading, *table])
        path.write_bytes(text.getvalue().encode(form.get("encoding", "utf-8")))


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def unpacked(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

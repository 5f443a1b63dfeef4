"""Tables of products on disk to the items that the service takes."""

import base64
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CHALLENGE = {"designation", "description", "productid", "imageid"}
_PLAIN = {"id", "title", "description", "image"}
_LABEL = {"job_id", "item_id", "title", "description", "image", "code", "by", "at"}
_LARGEST_FIELD = 2**31 - 1


class TableError(ValueError):
    """The table cannot be read; the message names the file, the line and what to do."""


def read_items(table: Path, pictures: Path | None) -> Iterator[dict[str, Any]]:
    """Items of a CSV or NDJSON table, pictures inline.

    A CSV has the columns id, title, description, image (a file name or a URL), or the challenge's own: its first column
    is the id then, and the picture is image_<imageid>_product_<productid>.jpg where that file is there. NDJSON holds
    items as the service takes them; `image.file` is looked up in `pictures`.

    Raises:
        TableError: unknown columns, a line that is not JSON, a picture that is named and not there.
    """
    rows = _csv(table, pictures) if table.suffix.lower() == ".csv" else _ndjson(table)
    yield from _with_pictures(rows, pictures, table)


def read_labels(table: Path, pictures: Path | None, job: str | None = None) -> Iterator[dict[str, Any]]:
    """Labels of a CSV or NDJSON table, pictures inline.

    Each has a `code`, perhaps `by` and `at`, and names a result (job_id, item_id) or the item (title, description,
    image). With `job` the job_id may be left out, and `id` is the item's.

    Raises:
        TableError: as `read_items`.
    """
    rows = _label_rows(table) if table.suffix.lower() == ".csv" else _ndjson(table)
    for label in _with_pictures(rows, pictures, table):
        if job is not None:
            label = {"job_id": job, "item_id": label.pop("id", None), **label}
        yield {name: value for name, value in label.items() if value is not None}


def _with_pictures(
    rows: Iterator[tuple[int, dict[str, Any]]], pictures: Path | None, table: Path
) -> Iterator[dict[str, Any]]:
    for line, item in rows:
        image = item.get("image")
        if isinstance(image, dict) and "file" in image:
            item["image"] = {"base64": _read(image["file"], pictures, table, line)}
        yield item


def count_items(table: Path) -> int:
    """How many items `read_items` will give."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        if table.suffix.lower() == ".csv":
            csv.field_size_limit(_LARGEST_FIELD)
            return max(sum(1 for _ in csv.reader(file)) - 1, 0)
        return sum(1 for line in file if line.strip())


def _csv(table: Path, pictures: Path | None) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_LARGEST_FIELD)
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or [])
        if columns >= _CHALLENGE:
            key = (reader.fieldnames or [""])[0]
            for row in reader:
                yield reader.line_num, _challenge_item(row, key, pictures)
        elif columns and columns <= _PLAIN:
            for row in reader:
                yield reader.line_num, _plain_item(row)
        else:
            raise TableError(
                f"{table}: columns {sorted(columns)}; expected {sorted(_PLAIN)} or the challenge's {sorted(_CHALLENGE)}"
            )


def _label_rows(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_LARGEST_FIELD)
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or [])
        if "code" not in columns or not columns <= {*_LABEL, "id"}:
            raise TableError(f"{table}: columns {sorted(columns)}; expected code, and of the others {sorted(_LABEL)}")
        for row in reader:
            label = _plain_item(row)
            try:
                label["code"] = int(label.get("code", ""))
            except ValueError:
                told = f"{table}, line {reader.line_num}: the code {label.get('code', '')!r} is no number"
                raise TableError(told) from None
            yield reader.line_num, label


def _challenge_item(row: dict[str, str], key: str, pictures: Path | None) -> dict[str, Any]:
    item: dict[str, Any] = {"id": row[key], "title": row["designation"], "description": row["description"]}
    name = f"image_{row['imageid']}_product_{row['productid']}.jpg"
    if pictures is not None and (pictures / name).is_file():
        item["image"] = {"file": name}
    return {field: value for field, value in item.items() if value}


def _plain_item(row: dict[str, str]) -> dict[str, Any]:
    item: dict[str, Any] = {field: value for field, value in row.items() if value}
    if image := item.get("image"):
        item["image"] = {"url" if image.startswith(("http://", "https://")) else "file": image}
    return item


def _ndjson(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with table.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except ValueError as error:
                raise TableError(f"{table}, line {number}: not JSON: {error}") from error
            if not isinstance(item, dict):
                raise TableError(f"{table}, line {number}: an item is a JSON object")
            yield number, item


def _read(name: str, pictures: Path | None, table: Path, line: int) -> str:
    if pictures is None:
        raise TableError(f"{table}, line {line}: names the picture {name!r}: say where it lies with --pictures")
    try:
        return base64.b64encode((pictures / name).read_bytes()).decode()
    except OSError as error:
        raise TableError(f"{table}, line {line}: picture {pictures / name}: {error.strerror}") from error

"""DVC stage `import_data`: validates the challenge's files and writes two Parquet files and a report.

`python -m training.import_data` reads the source that params.yaml names, or a generated sample catalogue if it names
none. It writes into `layout.IMPORTED`, with a report of the catalogue's quality (`training.catalogue.quality`).
"""

import csv
import json
import logging
import sys
import tempfile
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from shared.model.images import UnreadableImageError, decode
from shared.pipeline.params import ParamsError, SampleParams, load_params
from shared.stores.labels import LabelStore
from shared.taxonomy import CODES
from training.catalogue.challenge import (
    LABELS_FILE,
    LAYOUT,
    PICTURES_FOLDER,
    PRODUCTS_FILE,
    CatalogueError,
    Source,
    parse_integer,
    picture_name,
)
from training.catalogue.merging import copy_pictures, merge, readable
from training.catalogue.pictures import Picture, PictureWriter
from training.catalogue.places import kind_of
from training.catalogue.product import Finding, FindingReason, Product
from training.catalogue.quality import summarise, write_quality
from training.catalogue.unlabelled import import_unlabelled
from training.pipeline.layout import IMPORTED, LABELS
from training.sample.catalogue import generate

READERS = 8  # threads: a remote source answers slowly, and decoding releases the GIL
READ_AHEAD = 64  # pictures
_LABELLED = ("labels", "items", "rows_added", "rows_overruled")
CODE_OF = {str(code): code for code in CODES}

PRODUCTS_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("designation", pa.string()),
        pa.field("description", pa.string()),
        pa.field("productid", pa.int64(), nullable=False),
        pa.field("imageid", pa.int64(), nullable=False),
        pa.field("prdtypecode", pa.int64(), nullable=False),
        pa.field("picture", pa.string()),
    ]
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportReport:
    """The rows that an import read and kept; `findings` lists each row that was dropped or lost its picture."""

    rows_read: int
    rows_kept: int
    rows_with_picture: int
    distinct_pictures: int
    findings: tuple[Finding, ...]
    labels: Mapping[str, int]
    """The figures of the merged labels: `training.catalogue.merging.Merged.figures`."""

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings for each reason, zero included."""
        counts = Counter(finding.reason for finding in self.findings)
        return {reason.value: counts[reason] for reason in FindingReason}

    @property
    def summary(self) -> str:
        """A summary in one paragraph."""
        return (
            f"{self.rows_kept:,} of {self.rows_read:,} rows imported, {self.rows_with_picture:,} with a picture "
            f"({self.distinct_pictures:,} distinct). {_listed(self.counts)}{self._labelled}"
        )

    @property
    def _labelled(self) -> str:
        if not self.labels["labels"]:
            return ""
        labels, items, added, overruled = (f"{self.labels[name]:,}" for name in _LABELLED)
        return f" {labels} labels of {items} items: {added} rows added, {overruled} overruled."

    def write(self, folder: Path) -> None:
        """Write report.json (the counts) and report.csv (every finding)."""
        figures = {
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_dropped": self.rows_read - self.rows_kept,
            "labels": self.labels,
            "rows_with_picture": self.rows_with_picture,
            "distinct_pictures": self.distinct_pictures,
            "findings": self.counts,
        }
        (folder / "report.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        with (folder / "report.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Finding._fields)
            writer.writerows(self.findings)


def import_catalogue(source: str, output: Path, labels: Path = LABELS) -> ImportReport:
    """Import the challenge's training files from a folder or fsspec URL into the folder `output`.

    Writes products.parquet, pictures.parquet, report.json, report.csv and labels.csv; the same input gives the same
    bytes. `labels` is a copy of the label store, which is merged if it exists.
    Raises `CatalogueError` if a file or column is missing or malformed, the two tables do not belong together, no row
    can be kept, or there is not one picture.
    """
    catalogue = Source(source)
    findings: list[Finding] = []
    texts = catalogue.read_table(PRODUCTS_FILE, ("designation", "description", "productid", "imageid"))
    codes = catalogue.read_table(LABELS_FILE, ("prdtypecode",))
    _check_same_rows(texts, codes)
    candidates = list(_without_duplicates(_labelled(texts, codes, findings), findings))

    output.mkdir(parents=True, exist_ok=True)
    with PictureWriter(output / "pictures.parquet") as pictures:
        kept = list(_without_empty(_illustrated(catalogue, candidates, pictures, findings), findings))
        store = LabelStore(str(labels))
        merged = merge(kept, readable(store))
        copy_pictures(merged, store, pictures)
    report = ImportReport(
        rows_read=len(texts),
        rows_kept=len(kept),
        rows_with_picture=sum(product.picture is not None for product in merged.products),
        distinct_pictures=pictures.count,
        findings=tuple(sorted(findings)),
        labels=merged.figures,
    )
    if not kept:
        raise CatalogueError(f"{PRODUCTS_FILE} has no row that can be kept. {_listed(report.counts)} {LAYOUT}")
    if report.counts[FindingReason.PICTURE_MISSING] == len(candidates):
        sought = f"{PICTURES_FOLDER}/{picture_name('IMAGEID', 'PRODUCTID')}"
        raise CatalogueError(f"Not one picture is in {catalogue.url}; they are sought as {sought}. {LAYOUT}")
    _write_products(merged.products, output / "products.parquet")
    merged.write(output)
    report.write(output)
    return report


def import_sample(sample: SampleParams, output: Path, labels: Path = LABELS) -> ImportReport:
    """Generate a catalogue of invented products and import it into the folder `output`."""
    with tempfile.TemporaryDirectory(prefix="sample-catalogue-") as folder:
        generate(Path(folder), per_type=sample.per_type, test_items=0, seed=sample.seed)
        return import_catalogue(folder, output, labels)


def _check_same_rows(texts: dict[int, list[str]], labels: dict[int, list[str]]) -> None:
    strays = sorted(labels.keys() - texts.keys())
    if strays:
        raise CatalogueError(
            f"{LABELS_FILE} labels {len(strays)} rows that {PRODUCTS_FILE} does not have, first row {strays[0]}. "
            "Take both files from the same download."
        )


def _labelled(texts: dict[int, list[str]], labels: dict[int, list[str]], findings: list[Finding]) -> Iterator[Product]:
    for row, (designation, description, productid, imageid) in texts.items():
        product = parse_integer(productid, f"{PRODUCTS_FILE}, row {row}, productid")
        label = labels.get(row, [""])[0].strip()
        code = CODE_OF.get(label.removesuffix(".0"))  # pandas writes 10.0 where another row has no label
        if code is not None:
            yield Product(
                row=row,
                designation=designation if designation.strip() else None,
                description=description if description.strip() else None,
                productid=product,
                imageid=parse_integer(imageid, f"{PRODUCTS_FILE}, row {row}, imageid"),
                prdtypecode=code,
            )
        elif label:
            findings.append(
                Finding(row, product, FindingReason.UNKNOWN_CODE, f"prdtypecode {label} is not one of the 27")
            )
        else:
            findings.append(Finding(row, product, FindingReason.NO_LABEL, f"no prdtypecode in {LABELS_FILE}"))


def _without_duplicates(products: Iterable[Product], findings: list[Finding]) -> Iterator[Product]:
    first_row: dict[int, int] = {}
    for product in products:
        first = first_row.setdefault(product.productid, product.row)
        if first == product.row:
            yield product
        else:
            findings.append(product.finding(FindingReason.DUPLICATE_PRODUCT, f"row {first} has the same productid"))


def _without_empty(products: Iterable[Product], findings: list[Finding]) -> Iterator[Product]:
    for product in products:
        if product.empty:
            findings.append(product.finding(FindingReason.EMPTY, "neither designation, description nor picture"))
        else:
            yield product


def _illustrated(
    source: Source, products: list[Product], pictures: PictureWriter, findings: list[Finding]
) -> Iterator[Product]:
    outcomes = tqdm(_read_pictures(source, products), desc="import", total=len(products), unit="picture", disable=None)
    for product, outcome in zip(products, outcomes, strict=True):
        if isinstance(outcome, Picture):
            pictures.add(outcome)
            yield replace(product, picture=outcome.sha256)
        else:
            findings.append(outcome)
            yield product


def _read_pictures(source: Source, products: Iterable[Product]) -> Iterator[Picture | Finding]:
    """Yield each product's picture, in order; unlike `Executor.map`, hold no more than `READ_AHEAD` of them."""
    pending: deque[Future[Picture | Finding]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        for product in products:
            pending.append(pool.submit(_read_picture, source, product))
            if len(pending) == READ_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _read_picture(source: Source, product: Product) -> Picture | Finding:
    try:
        data = source.read(product.picture_file)
        decode(data)  # as the later stages do: a picture that passes here cannot stop them
    except FileNotFoundError:
        return product.finding(FindingReason.PICTURE_MISSING, product.picture_file)
    except UnreadableImageError as error:
        return product.finding(FindingReason.PICTURE_UNREADABLE, f"{product.picture_file}: {error}")
    return Picture(sha256(data).hexdigest(), data)


def _write_products(products: list[Product], path: Path) -> None:
    columns = [[getattr(product, name) for product in products] for name in PRODUCTS_SCHEMA.names]
    pq.write_table(pa.table(columns, schema=PRODUCTS_SCHEMA), path)


def _listed(counts: dict[str, int]) -> str:
    listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.items() if count)
    return f"Findings: {listed or 'none'}."


def main() -> None:
    """Import the source that params.yaml names; a catalogue that cannot be imported ends the process with a message."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        params = load_params().import_data
        report = import_catalogue(params.source, IMPORTED) if params.source else import_sample(params.sample, IMPORTED)
        log.info("%s All findings are listed in %s.", report.summary, IMPORTED / "report.csv")
        log.info("%s", summarise(write_quality(IMPORTED)))
        log.info("%d texts without a label.", import_unlabelled(params.unlabelled, IMPORTED / "unlabelled.parquet"))
    except (CatalogueError, ParamsError) as error:
        raise SystemExit(f"import_data: {error}") from error
    except Exception as error:  # its message may quote what was read, and the log of a training is shown to its client
        lines = "".join(traceback.format_tb(error.__traceback__))
        raise SystemExit(f"import_data: {kind_of(error)}, where this was called:\n{lines}") from None


if __name__ == "__main__":
    main()

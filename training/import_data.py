"""DVC stage `import_data`: validates a catalogue and writes two Parquet files, its taxonomy and a report.

`python -m training.import_data` reads the source that params.yaml names, or a generated sample catalogue if it names
none. It writes into `layout.IMPORTED`, with a report of the catalogue's quality (`training.catalogue.quality`).
"""

import csv
import json
import logging
import sys
import tempfile
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
from shared.pipeline.params import ImportParams, SampleParams, load_params
from shared.stores.labels import LabelStore
from shared.taxonomy import TAXONOMY_FILE, Taxonomy, TaxonomyError, from_json, to_json
from training.catalogue.entries import CatalogueSource, Entry
from training.catalogue.errors import CatalogueError
from training.catalogue.faults import told_by
from training.catalogue.labelling import Labelling
from training.catalogue.listing import SourceListing, last_import, told
from training.catalogue.merging import copy_pictures, following, merge, readable
from training.catalogue.pictures import Picture, PictureWriter
from training.catalogue.product import Finding, FindingReason, Product
from training.catalogue.quality import summarise, write_quality
from training.catalogue.sources import configured, open_source
from training.catalogue.unlabelled import import_unlabelled
from training.pipeline.layout import IMPORTED, LABELS, LAST_IMPORTS, LISTED_CATALOGUE, PARTLY_LABELLED
from training.sample.catalogue import generate

READERS = 8  # threads: a remote source answers slowly, and decoding releases the GIL
READ_AHEAD = 64  # pictures
_SHOWN = 300
"""Characters of a picture's name or URL that a finding shows."""
_LABELLED = ("labels", "items", "rows_added", "rows_overruled")

PRODUCTS_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("description", pa.string()),
        pa.field("category", pa.string(), nullable=False),
        pa.field("picture", pa.string()),
    ]
)

PARTLY_LABELLED_SCHEMA = pa.schema(
    [
        pa.field("title", pa.string()),
        pa.field("description", pa.string()),
        pa.field("category", pa.string(), nullable=False),
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


def import_catalogue(source: CatalogueSource, output: Path, labels: Path = LABELS) -> ImportReport:
    """Import a catalogue into the folder `output`.

    Writes products.parquet, partly_labelled.parquet (texts whose label has categories below it), taxonomy.json,
    pictures.parquet, report.json, report.csv and labels.csv; the same input gives the same bytes. `labels` is a copy of
    the label store, which is merged if it exists. If a taxonomy lies in it, somebody has put it into force, and it
    stands above the one of the source.
    Raises `CatalogueError` if the source is missing or malformed, no row can be kept, or it names pictures and there is
    not one.
    """
    entries = source.entries()
    taxonomy = _put(labels) or source.taxonomy(entries)
    findings: list[Finding] = []
    labelling = Labelling(taxonomy)
    candidates = list(_without_duplicates(_without_findings(labelling.products(entries), findings), findings))

    output.mkdir(parents=True, exist_ok=True)
    with PictureWriter(output / "pictures.parquet") as pictures:
        kept = list(_without_empty(_illustrated(source, candidates, pictures, findings), findings))
        store = LabelStore(str(labels))
        merged = merge(kept, following(readable(store), taxonomy))
        copy_pictures(merged, store, pictures)
    report = ImportReport(
        rows_read=len(entries),
        rows_kept=len(kept),
        rows_with_picture=sum(product.picture is not None for product in merged.products),
        distinct_pictures=pictures.count,
        findings=tuple(sorted(findings)),
        labels=merged.figures,
    )
    if not kept:
        raise CatalogueError(f"{source.shown} has no row that can be kept. {_listed(report.counts)} {source.advice}")
    sought = [product.picture_file for product in candidates if product.picture_file is not None]
    if sought and report.counts[FindingReason.PICTURE_MISSING] == len(sought):
        raise CatalogueError(
            f"Of {len(sought):,} pictures not one was found, neither beside {source.shown} nor by URL. {source.advice}"
        )
    if not report.rows_with_picture:
        log.warning(
            "Not one product of %s has a picture: the model will learn from texts alone. If there are pictures, name "
            "their column, import_data.columns.picture in params.yaml.",
            source.shown,
        )
    _write_products(merged.products, output / "products.parquet")
    _write_partly_labelled(labelling.partly_labelled(entries), output / PARTLY_LABELLED)
    (output / TAXONOMY_FILE).write_text(to_json(taxonomy), encoding="utf-8")
    merged.write(output)
    report.write(output)
    return report


def import_sample(sample: SampleParams, output: Path, labels: Path = LABELS) -> ImportReport:
    """Generate a catalogue of invented products and import it into the folder `output`."""
    with tempfile.TemporaryDirectory(prefix="sample-catalogue-") as folder:
        generate(Path(folder), per_type=sample.per_type, test_items=0, seed=sample.seed)
        return import_catalogue(open_source(folder), output, labels)


def _put(labels: Path) -> Taxonomy | None:
    """Return the taxonomy that somebody has put into force, as `worker.trainings.label_snapshot` copies it."""
    file = labels / TAXONOMY_FILE
    if not file.exists():
        return None
    try:
        return from_json(file.read_bytes())
    except TaxonomyError as error:
        raise CatalogueError(f"{file} is no taxonomy: {error}. Start the training again.") from error


def _without_findings(labelled: Iterable[Product | Finding], findings: list[Finding]) -> Iterator[Product]:
    for product in labelled:
        if isinstance(product, Finding):
            findings.append(product)
        else:
            yield product


def _without_duplicates(products: Iterable[Product], findings: list[Finding]) -> Iterator[Product]:
    first_row: dict[str, int] = {}
    for product in products:
        first = first_row.setdefault(product.id, product.row)
        if first == product.row:
            yield product
        else:
            findings.append(product.finding(FindingReason.DUPLICATE_PRODUCT, f"row {first} has the same id"))


def _without_empty(products: Iterable[Product], findings: list[Finding]) -> Iterator[Product]:
    for product in products:
        if product.empty:
            findings.append(product.finding(FindingReason.EMPTY, "neither title, description nor picture"))
        else:
            yield product


def _illustrated(
    source: CatalogueSource, products: list[Product], pictures: PictureWriter, findings: list[Finding]
) -> Iterator[Product]:
    total = sum(product.picture_file is not None for product in products)
    with tqdm(desc="import", total=total, unit="picture", disable=None) as bar:
        for product, outcome in zip(products, _read_pictures(source, products), strict=True):
            bar.update(outcome is not None)
            if isinstance(outcome, Picture):
                pictures.add(outcome)
                product = replace(product, picture=outcome.sha256)
            elif outcome is not None:
                findings.append(outcome)
            yield product


def _read_pictures(source: CatalogueSource, products: Iterable[Product]) -> Iterator[Picture | Finding | None]:
    """Yield each product's picture, in order; unlike `Executor.map`, hold no more than `READ_AHEAD` of them."""
    pending: deque[Future[Picture | Finding | None]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        for product in products:
            pending.append(pool.submit(_read_picture, source, product))
            if len(pending) == READ_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _read_picture(source: CatalogueSource, product: Product) -> Picture | Finding | None:
    """Return the picture, or why there is none; `None` if the product names none."""
    if (name := product.picture_file) is None:
        return None
    try:
        data = source.picture(name)
        decode(data)  # as the later stages do: a picture that passes here cannot stop them
    except FileNotFoundError as error:
        return product.finding(FindingReason.PICTURE_MISSING, str(error))
    except UnreadableImageError as error:
        return product.finding(FindingReason.PICTURE_UNREADABLE, f"{name[:_SHOWN]}: {error}")
    return Picture(sha256(data).hexdigest(), data)


def _write_products(products: list[Product], path: Path) -> None:
    columns = [[getattr(product, name) for product in products] for name in PRODUCTS_SCHEMA.names]
    pq.write_table(pa.table(columns, schema=PRODUCTS_SCHEMA), path)


def _write_partly_labelled(labelled: Iterable[tuple[Entry, str]], path: Path) -> None:
    found = [(entry.title, entry.description, code) for entry, code in labelled]
    columns = [list(column) for column in zip(*found, strict=True)] or [[], [], []]
    pq.write_table(pa.table(columns, schema=PARTLY_LABELLED_SCHEMA), path)


def _listed(counts: dict[str, int]) -> str:
    listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.items() if count)
    return f"Findings: {listed or 'none'}."


def _check_unchanged(listed: SourceListing, params: ImportParams) -> None:
    """Raise `CatalogueError` if the source is not what was listed, and so what was read may be of two states."""
    if changes := SourceListing.make(params).since(listed):
        raise CatalogueError(
            f"The source has changed since this run listed it: {told(changes)}. What was read may be a mixture. "
            "Start the training again (`dvc repro` by hand) when nobody writes there."
        )


def main() -> None:
    """Import the source that params.yaml names; a catalogue that cannot be imported ends the process with a message."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    with told_by("import_data"):
        params = load_params().import_data
        listed = SourceListing.read(LISTED_CATALOGUE) or SourceListing.make(params)
        source = configured(params)
        report = import_sample(params.sample, IMPORTED) if source is None else import_catalogue(source, IMPORTED)
        log.info("%s All findings are listed in %s.", report.summary, IMPORTED / "report.csv")
        log.info("%s", summarise(write_quality(IMPORTED)))
        log.info("%d texts without a label.", import_unlabelled(params.unlabelled, IMPORTED / "unlabelled.parquet"))
        _check_unchanged(listed, params)
        listed.write(last_import(LAST_IMPORTS, params))


if __name__ == "__main__":
    main()

"""The results of a job: read from the service, shown, or saved in a file."""

import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import typer

from catalog_client import Catalog, Job, Result, ResultsPage, Table, UnexpectedAnswerError
from catalog_client._files import beside, form_of, replacing
from catalog_client._items import dump
from catalog_client._parsing import parse
from catalog_client.command.files import write_challenge, write_csv, write_joined, write_lines
from catalog_client.command.options import progress_bars, say, show, show_json
from catalog_client.command.tables import SHOWN, results_table

_STDOUT = Path("-")


@dataclass(frozen=True)
class Target:
    """Where results go.

    Attributes:
        output: A file, `-` for the standard output, or `None` for a table.
        challenge: Only the columns row and prdtypecode.
        as_json: The job as JSON in the place of the table.
        titles: Titles by item id, to be shown in the place of ids.
        table: The table that was sent. If it has columns of your own, a CSV begins with all its columns.
    """

    output: Path | None = None
    challenge: bool = False
    as_json: bool = False
    titles: Mapping[str, str] | None = None
    table: Table | None = None

    def check(self) -> None:
        """Refuse what cannot be written, before anything is sent; raises `typer.BadParameter`."""
        if self.output == _STDOUT and self.as_json:
            raise typer.BadParameter("--json and --output - would both write to the standard output")
        if self.output is None or self.output == _STDOUT:
            return
        if self.challenge and self._form == "parquet":
            raise typer.BadParameter("--challenge writes CSV: give the file another name than .parquet")
        if self.output.is_dir():
            raise typer.BadParameter(f"{self.output} is a folder: name a file in it")
        if not self.output.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {self.output.parent}")
        if self._pages is not None:
            begun = self._pages.exists()
            try:
                self._pages.open("ab").close()
            except OSError as error:
                raise typer.BadParameter(f"{self.output} cannot be written: {error.strerror}") from None
            if not begun:
                self._pages.unlink()

    @property
    def as_option(self) -> str:
        """The option that leads to the same target."""
        return "" if self.output is None else f" --output {shlex.quote(str(self.output))}"

    def deliver(self, catalog: Catalog, job: Job) -> None:
        """Write the results that the job has so far; then say how many a person should look at."""
        if self._form == "parquet" and self.output is not None:
            catalog.download(job, self.output)
            if self.as_json:
                show_json(job.document)
            say(f"{job.counts.total - job.counts.pending} results in {self.output}")
            return
        results = sorted(self._read(catalog, job), key=lambda result: result.index)
        if self.as_json:
            show_json(job.document)
        if self.output is not None:
            self._save(self.output, results)
        elif not self.as_json:
            show(results_table(_shown(results), self.titles))
            if (rest := len(results) - SHOWN) > 0:
                say(f"… and {rest} more: save them with --output results.csv")
        _conclude(results)

    @property
    def _form(self) -> str:
        return "ndjson" if self.output is None else form_of(self.output)

    @property
    def _pages(self) -> Path | None:
        """The file in which pages are kept as they come, so that an interrupted download goes on there."""
        return None if self.output is None or self.output == _STDOUT else beside(self.output, "pages")

    def _read(self, catalog: Catalog, job: Job) -> list[Result]:
        kept = list(_kept(self._pages, job.id)) if self._pages else []
        results = [result for page in kept for result in page.results]
        cursor = kept[-1].next_cursor if kept else None
        with progress_bars() as progress, self._pages.open("ab") if self._pages else nullcontext() as file:
            bar = progress.add_task("reading results", total=job.counts.total - job.counts.pending)
            for page in catalog.pages(job, cursor=cursor):
                results += page.results
                progress.update(bar, completed=len(results))
                if file is not None:
                    file.write(dump(page.document) + b"\n")
                    file.flush()
        return results

    def _save(self, output: Path, results: Sequence[Result]) -> None:
        if output == _STDOUT:
            _to_stdout(lambda file: self._write(file, results))
            return
        with replacing(output) as file:
            self._write(file, results)
        if self._pages is not None:
            self._pages.unlink(missing_ok=True)
        failures = Counter(result.error.code for result in results if result.error)
        failed = f"; failed: {dict(failures)}" if failures else ""
        say(f"{len(results)} results in {output}{failed}")

    def _write(self, file: BinaryIO, results: Sequence[Result]) -> None:
        if self.challenge:
            write_challenge(file, results)
        elif self._form != "csv":
            write_lines(file, results)
        elif self.table is not None and (self.table.columns.own or self.table.columns.further):
            write_joined(file, results, self.table)
        else:
            write_csv(file, results)


def _kept(pages: Path, job_id: str) -> Iterator[ResultsPage]:
    """Yield the pages of this job that an earlier command has read, and cut off whatever else the file holds."""
    if not pages.exists():
        return
    with pages.open("r+b") as file:
        end = 0
        for line in file:
            try:
                page = parse(ResultsPage, json.loads(line))
            except (ValueError, UnexpectedAnswerError):
                break
            if page.job_id != job_id or not line.endswith(b"\n"):
                break
            end += len(line)
            yield page
        file.truncate(end)


def _to_stdout(write: Callable[[BinaryIO], None]) -> None:
    """Write to the standard output; a reader that has seen enough, such as `head`, is no error."""
    sys.stdout.flush()
    try:
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shown(results: Sequence[Result]) -> Sequence[Result]:
    """Those of many that tell most: first what the model is surest of, then what a person should look at."""
    if len(results) <= SHOWN:
        return results
    sure = [result for result in results if result.category and not result.needs_review]
    others = [result for result in results if not result.category or result.needs_review]
    sure.sort(key=lambda result: -result.category.confidence if result.category else 0)
    others.sort(key=lambda result: result.category.confidence if result.category else 0)
    of_others = min(len(others), max(SHOWN // 3, SHOWN - len(sure)))
    return [*sure[: SHOWN - of_others], *others[:of_others]]


def _conclude(results: Sequence[Result]) -> None:
    classified = [result for result in results if result.category]
    if classified:
        say(f"{sum(bool(result.needs_review) for result in classified)} of {len(classified)} need a look")
    if cached := sum(result.cached for result in classified):
        say(f"{cached} are earlier answers to the same items")

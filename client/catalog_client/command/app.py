"""The commands of `catalog`."""

import base64
import csv
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from catalog_client.command import loop
from catalog_client.command.options import DEFAULT_URL, Key, Url, console
from catalog_client.service import Service, ServiceError
from catalog_client.tables import TableError, count_items, read_items

app = typer.Typer(no_args_is_help=True, help="Classify a catalogue of products into Rakuten France's 27 types.")
app.add_typer(loop.app)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Results: a .csv, else NDJSON.")]
Challenge = Annotated[bool, typer.Option("--challenge", help="Write only the columns row and prdtypecode.")]
JobId = Annotated[str, typer.Argument(help="The job's id.")]

_SHOWN = 15
_COLUMNS = ("id", "status", "prdtypecode", "category", "confidence", "needs_review", "error", "bundle", "cached")


@app.command()
def submit(
    table: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .csv or .ndjson of products.")],
    pictures: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="The pictures' folder.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send only the first so many items.")] = None,
    webhook: Annotated[str | None, typer.Option(help="A URL to be told when the job has ended.")] = None,
    output: Output = None,
    challenge: Challenge = False,
    skip_invalid: Annotated[bool, typer.Option(help="Leave invalid items out instead of sending none.")] = False,
    deadline: Annotated[float | None, typer.Option(help="Seconds after which what is not done expires.")] = None,
    error_budget: Annotated[float | None, typer.Option(help="Stop once more than so many % of the items fail.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the job's end, with a progress bar.")] = True,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a table of products as one job, wait for it, and show or save its results."""
    service = Service(url, key)
    total = min(count_items(table), limit or sys.maxsize)
    titles: dict[str, str] = {}
    options = {
        "webhook_url": webhook,
        "on_invalid": "skip" if skip_invalid else None,
        "deadline_s": deadline,
        "error_budget": error_budget,
    }
    with _progress() as progress:
        bar = progress.add_task("sending", total=total)

        def items() -> Iterable[dict[str, Any]]:
            progress.reset(bar)
            chosen = itertools.islice(read_items(table, pictures), limit)
            return progress.track(_noting_titles(chosen, titles), task_id=bar)

        job = service.submit(items, options)
    console.print(f"job [bold]{job['id']}[/bold]: {job['counts']['total']} items accepted")
    if wait:
        _follow(service, job["id"])
        _deliver(service, job["id"], output, challenge, titles)


@app.command()
def status(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """A job's state as JSON."""
    typer.echo(json.dumps(Service(url, key).job(job), indent=2))


@app.command()
def results(
    job: JobId, output: Output = None, challenge: Challenge = False, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Show or save the results that a job has so far."""
    _deliver(Service(url, key), job, output, challenge)


@app.command()
def cancel(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """End a job; what was classified stays readable."""
    counts = Service(url, key).cancel(job)["counts"]
    console.print(f"cancelled: {counts['succeeded']} were classified, {counts['cancelled']} were not")


@app.command()
def retry(job: JobId, output: Output = None, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Classify those items of an ended job again that failed or expired, as a job of its own."""
    service = Service(url, key)
    child = service.retry(job)
    console.print(f"job [bold]{child['id']}[/bold]: {child['counts']['total']} items of {job} again")
    _follow(service, child["id"])
    _deliver(service, child["id"], output, challenge=False)


@app.command()
def deliveries(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """The attempts to deliver a job's webhook, as JSON."""
    typer.echo(json.dumps(Service(url, key).deliveries(job), indent=2))


@app.command()
def predict(
    description: Annotated[str | None, typer.Argument(help="The product's title or description.")] = None,
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Its picture.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Classify one product now."""
    picture = base64.b64encode(image.read_bytes()).decode() if image else None
    answer = Service(url, key).predict({"description": description, "image": picture})
    console.print(_table([answer["result"]]))


def _follow(service: Service, job_id: str) -> None:
    job: dict[str, Any] = {}
    with _progress() as progress:
        bar = progress.add_task("classifying", total=None)
        for job in service.watch(job_id):
            counts = job["counts"]
            progress.update(bar, completed=counts["total"] - counts["pending"], total=counts["total"])
    counts = job["counts"]
    rest = [f"{counts[name]} {name}" for name in ("invalid", "expired") if counts[name]]
    done = [f"{counts['succeeded']} classified", *(f"{counts[name]} {name}" for name in ("failed", "cancelled")), *rest]
    console.print(f"{job['state']}: {', '.join(done)}")


def _noting_titles(items: Iterable[dict[str, Any]], titles: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Pass the items on; the first ones' titles go into `titles`, to be shown beside the results."""
    for item in items:
        if len(titles) < _SHOWN and "id" in item:
            titles[str(item["id"])] = str(item.get("title", ""))
        yield item


def _deliver(
    service: Service, job_id: str, output: Path | None, challenge: bool, titles: Mapping[str, str] | None = None
) -> None:
    found = sorted(service.results(job_id), key=lambda result: result["index"])
    if output is None:
        console.print(_table(found[:_SHOWN], titles))
        rest = len(found) - _SHOWN
        if rest > 0:
            console.print(f"… and {rest} more: save them with --output results.csv")
    else:
        _save(found, output, challenge)
    classified = [result for result in found if result["category"]]
    if classified:
        console.print(f"{sum(result['needs_review'] for result in classified)} of {len(classified)} need a look")
    if cached := sum(result["cached"] for result in classified):
        console.print(f"{cached} are earlier answers to the same items")


def _save(found: list[dict[str, Any]], output: Path, challenge: bool) -> None:
    with output.open("w", encoding="utf-8", newline="") as file:
        if challenge:
            _write_csv(file, ("row", "prdtypecode"), _challenge_rows(found))
        elif output.suffix.lower() == ".csv":
            _write_csv(file, _COLUMNS, (_flat(result).values() for result in found))
        else:
            file.writelines(json.dumps(result, ensure_ascii=False) + "\n" for result in found)
    failures = Counter(result["error"]["code"] for result in found if result["error"])
    console.print(f"{len(found)} results in {output}" + (f"; failed: {dict(failures)}" if failures else ""))


def _challenge_rows(found: Iterable[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    return ((result["id"], result["category"]["code"]) for result in found if result["category"])


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    category, error = result["category"] or {}, result["error"] or {}
    values = (
        result["id"],
        result["status"],
        category.get("code", ""),
        category.get("name", ""),
        category.get("confidence", ""),
        "" if result["needs_review"] is None else str(result["needs_review"]).lower(),
        error.get("message", ""),
        result["bundle"],
        str(result["cached"]).lower(),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _write_csv(file: Any, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)


def _table(found: list[dict[str, Any]], titles: Mapping[str, str] | None = None) -> Table:
    """One line per result, however long its title is."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name, ratio in (("product", 5), ("type", None), ("product type", 4)):
        table.add_column(name, ratio=ratio, no_wrap=True, overflow="ellipsis")
    table.add_column("sure", justify="right")
    table.add_column("review")
    table.add_column("text/picture say", no_wrap=True)
    table.expand = True
    for result in found:
        name = (titles or {}).get(result["id"]) or result["id"]
        if result["error"]:
            table.add_row(name, "", f"[red]{result['error']['message']}[/red]")
            continue
        category, branches = result["category"], result["branches"]
        said = "/".join(str(branches[branch]["code"]) if branches[branch] else "–" for branch in ("text", "image"))
        sure, review = f"{category['confidence']:.0%}", "[yellow]yes[/yellow]" if result["needs_review"] else ""
        table.add_row(name, str(category["code"]), category["name"], sure, review, said)
    return table


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def main() -> None:
    """Errors are a message and status 1, not a traceback."""
    try:
        app()
    except (ServiceError, TableError) as error:
        console.print(f"[red]error:[/red] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()

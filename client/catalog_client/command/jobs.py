"""The commands of `catalog` that classify: jobs, their results, and single products."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TimeRemainingColumn

from catalog_client import Catalog, Job, count_items, read_items
from catalog_client.command.options import DEFAULT_URL, Key, Url, brief_catalog, console, progress_bars
from catalog_client.command.output import SHOWN, deliver, results_table

app = typer.Typer()


def _writable(output: Path | None) -> Path | None:
    """Refuse a file that cannot be made before anything is sent."""
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent}")
    return output


Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        dir_okay=False,
        callback=_writable,
        help="The file for the results, as CSV if its name ends in .csv, else as NDJSON.",
    ),
]
Challenge = Annotated[bool, typer.Option("--challenge", help="Write only the columns row and prdtypecode.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command()
def submit(
    table: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The table of products, a .csv or .ndjson file.")
    ],
    pictures: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="The folder with the pictures.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send only the first N items.")] = None,
    webhook: Annotated[str | None, typer.Option(help="A URL that gets a webhook when the job has ended.")] = None,
    output: Output = None,
    challenge: Challenge = False,
    skip_invalid: Annotated[
        bool, typer.Option(help="Leave invalid items out; otherwise one invalid item refuses them all.")
    ] = False,
    deadline: Annotated[
        float | None, typer.Option(help="Seconds after which items that are not classified expire.")
    ] = None,
    error_budget: Annotated[
        float | None, typer.Option(help="Percentage of failed items above which the job fails.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the job's end, with a progress bar.")] = True,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a table of products as one job, wait for it, and show or save its results."""
    with Catalog(url, key) as catalog:
        total = min(count_items(table), limit or sys.maxsize)
        titles: dict[str, str] = {}
        with progress_bars(TimeRemainingColumn()) as progress:
            bar = progress.add_task("sending", total=total)

            def items() -> Iterable[dict[str, Any]]:
                progress.reset(bar)
                chosen = itertools.islice(read_items(table, pictures), limit)
                return progress.track(_noting_titles(chosen, titles), task_id=bar)

            job = catalog.submit(
                items,
                webhook_url=webhook,
                on_invalid="skip" if skip_invalid else None,
                deadline_s=deadline,
                error_budget=error_budget,
            )
        console.print(f"job [bold]{job.id}[/bold]: {job.counts.total} items accepted")
        if wait:
            _follow(catalog, job)
            deliver(catalog.results(job), output, challenge, titles)


@app.command()
def status(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print a job's state as JSON."""
    with brief_catalog(url, key) as catalog:
        typer.echo(json.dumps(catalog.job(job).document, indent=2))


@app.command()
def results(
    job: JobId, output: Output = None, challenge: Challenge = False, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Show or save the results that a job has so far."""
    with brief_catalog(url, key) as catalog:
        deliver(catalog.results(job), output, challenge)


@app.command()
def cancel(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """End a job now; its results so far can still be read."""
    with brief_catalog(url, key) as catalog:
        counts = catalog.cancel(job).counts
    console.print(f"cancelled: {counts.succeeded} were classified, {counts.cancelled} were not")


@app.command()
def retry(job: JobId, output: Output = None, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Classify the failed and expired items of an ended job again, as a new job."""
    with Catalog(url, key) as catalog:
        child = catalog.retry(job)
        console.print(f"job [bold]{child.id}[/bold]: {child.counts.total} items of {job} again")
        _follow(catalog, child)
        deliver(catalog.results(child), output, challenge=False)


@app.command()
def deliveries(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print the attempts to deliver a job's webhook as JSON."""
    with brief_catalog(url, key) as catalog:
        typer.echo(json.dumps(catalog.deliveries(job).document, indent=2))


@app.command()
def predict(
    description: Annotated[str | None, typer.Argument(help="The product's title or description.")] = None,
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The product's picture.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Classify one product at once, and print the answer."""
    with brief_catalog(url, key) as catalog:
        console.print(results_table([catalog.predict(description, image=image).result]))


def _follow(catalog: Catalog, job: Job) -> None:
    """Wait for the job's end with a progress bar, and print how it ended."""
    with progress_bars(TimeRemainingColumn()) as progress:
        bar = progress.add_task("classifying", total=None)

        def show(current: Job) -> None:
            progress.update(bar, completed=current.counts.total - current.counts.pending, total=current.counts.total)

        ended = catalog.wait(job, progress=show)
    counts = ended.counts
    figures = [f"{counts.succeeded} classified", f"{counts.failed} failed", f"{counts.cancelled} cancelled"]
    figures += [
        f"{count} {name}" for name, count in (("invalid", counts.invalid), ("expired", counts.expired)) if count
    ]
    console.print(f"{ended.state}: {', '.join(figures)}")


def _noting_titles(items: Iterable[dict[str, Any]], titles: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Pass the items on, and keep the first titles to show them beside the results."""
    for item in items:
        if len(titles) < SHOWN and "id" in item:
            titles[str(item["id"])] = str(item.get("title", ""))
        yield item

"""The commands of `catalog` that classify: jobs, their results, and single products."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TimeRemainingColumn

from catalog_client import Catalog, CatalogError, Job, ServiceUnreachableError, Table, count_items, read_items
from catalog_client.command.exits import exit_after, saying_at_break
from catalog_client.command.options import (
    DEFAULT_URL,
    AsJson,
    Format,
    IdempotencyKey,
    Key,
    Map,
    Metadata,
    Products,
    Url,
    brief_catalog,
    mapping,
    moment,
    pairs,
    progress_bars,
    say,
    say_trouble,
    show,
    show_json,
    tell_form,
)
from catalog_client.command.results import Target
from catalog_client.command.tables import SHOWN, jobs_table, results_table

app = typer.Typer()

_SHOWN_TITLE = 60
"""Characters of the first title that are shown."""

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="The file for the results: CSV or Parquet if its name ends in .csv or .parquet, else NDJSON; - is the "
        "standard output. An interrupted download goes on with the same file.",
    ),
]
Challenge = Annotated[bool, typer.Option("--challenge", help="Write only the columns row and prdtypecode, as CSV.")]
Wait = Annotated[
    bool, typer.Option(help="Wait for the job's end, with a progress bar; otherwise only the job's id is printed.")
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command()
def submit(
    table: Products,
    idempotency_key: IdempotencyKey,
    map_: Map = None,
    format_: Format = None,
    pictures: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="The folder with the pictures.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send only the first N items.")] = None,
    webhook: Annotated[str | None, typer.Option(help="A URL that gets a webhook when the job has ended.")] = None,
    own_columns: Annotated[
        bool, typer.Option(help="Send further columns, too, so that they come back with the results.")
    ] = True,
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
    all_pictures: Annotated[
        bool, typer.Option("--all-pictures", help="Look at every picture, also where the text alone is sure.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Your name for the job, by which `jobs` finds it again.")] = None,
    metadata: Metadata = None,
    wait: Wait = True,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a table of products as one job, wait for it, and show or save its results."""
    target, kept = Target(output, challenge, as_json), pairs(metadata)
    target.check()
    source = Table(table, format=format_, mapping=mapping(map_), own_columns=own_columns)
    with Catalog(url, key) as catalog, source:
        total = min(count_items(source), limit or sys.maxsize)
        tell_form(source)
        titles: dict[str, str] = {}
        with _naming(idempotency_key), progress_bars(TimeRemainingColumn()) as progress:
            bar = progress.add_task("sending", total=total)

            def items() -> Iterable[dict[str, Any]]:
                progress.reset(bar)
                chosen = itertools.islice(read_items(source, pictures), limit)
                return progress.track(_noting_titles(chosen, titles), task_id=bar)

            job = catalog.submit(
                items,
                webhook_url=webhook,
                on_invalid="skip" if skip_invalid else None,
                deadline_s=deadline,
                error_budget=error_budget,
                all_pictures=all_pictures,
                name=name,
                metadata=kept,
                idempotency_key=idempotency_key,
            )
        first = next(iter(titles.values()), "")[:_SHOWN_TITLE]
        say(f"job {job.id}: {job.counts.total} items accepted" + (f"; the first is {first}" if first else ""))
        _finish(catalog, job, replace(target, titles=titles, table=source), wait=wait)


@app.command()
def wait(
    job: JobId,
    output: Output = None,
    challenge: Challenge = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Wait for a job's end, and show or save its results: the way back to a job after Ctrl-C."""
    target = Target(output, challenge, as_json)
    target.check()
    with Catalog(url, key) as catalog:
        _finish(catalog, catalog.job(job), target, timeout=timeout)


@app.command("jobs")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many jobs to list.")] = 20,
    state: Annotated[str | None, typer.Option(help="Only jobs in this state, such as running.")] = None,
    query: Annotated[
        str | None, typer.Option(help="Only jobs with all these words in their names, metadata or ids.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only jobs sent then or later: 2027-03-01, 2027-03-01T09:30:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only jobs sent before.")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only jobs whose metadata has this pair; may be repeated."),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List your jobs, the newest first."""
    wanted, after, before = pairs(metadata), moment(since), moment(until)
    with brief_catalog(url, key) as catalog:
        jobs = catalog.jobs(
            limit=limit, state=state, q=query, metadata=wanted, created_after=after, created_before=before
        )
    if as_json:
        show_json([job.document for job in jobs])
    else:
        show(jobs_table(jobs))


@app.command()
def status(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print a job's state as JSON."""
    with brief_catalog(url, key) as catalog:
        show_json(catalog.job(job).document)


@app.command()
def results(
    job: JobId,
    output: Output = None,
    challenge: Challenge = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show or save the results that a job has so far."""
    target = Target(output, challenge, as_json)
    target.check()
    with Catalog(url, key) as catalog:
        _deliver(catalog, catalog.job(job), target)


@app.command()
def cancel(job: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """End a job now; its results so far can still be read."""
    with brief_catalog(url, key) as catalog:
        cancelled = catalog.cancel(job)
    say(f"cancelled: {cancelled.counts.succeeded} were classified, {cancelled.counts.cancelled} were not")
    if as_json:
        show_json(cancelled.document)


@app.command()
def retry(
    job: JobId,
    idempotency_key: IdempotencyKey,
    output: Output = None,
    wait: Wait = True,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Classify the failed and expired items of an ended job again, as a new job."""
    target = Target(output, as_json=as_json)
    target.check()
    with Catalog(url, key) as catalog:
        with _naming(idempotency_key):
            child = catalog.retry(job, idempotency_key=idempotency_key)
        say(f"job {child.id}: {child.counts.total} items of {job} again")
        _finish(catalog, child, target, wait=wait)


@app.command()
def deliveries(job: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print the attempts to deliver a job's webhook as JSON."""
    with brief_catalog(url, key) as catalog:
        show_json(catalog.deliveries(job).document)


@app.command()
def predict(
    description: Annotated[str | None, typer.Argument(help="The product's title or description.")] = None,
    image: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The product's picture.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Classify one product at once, and print the answer."""
    with brief_catalog(url, key) as catalog:
        prediction = catalog.predict(description, image=image)
    if as_json:
        show_json(prediction.document)
    else:
        show(results_table([prediction.result]))


def _finish(
    catalog: Catalog,
    job: Job,
    target: Target,
    *,
    wait: bool = True,
    timeout: float | None = None,
) -> None:
    """Wait for the job's end and deliver its results, or print its id alone; ends with the status of `Exit`."""
    if not wait:
        if target.as_json:
            show_json(job.document)
        else:
            typer.echo(job.id)
        return
    with _coming_back(f"catalog wait {job.id}{target.as_option}"):
        ended = _follow(catalog, job, timeout)
    _deliver(catalog, ended, target)


def _deliver(catalog: Catalog, job: Job, target: Target) -> None:
    with _coming_back(f"catalog results {job.id}{target.as_option}"):
        target.deliver(catalog, job)
    raise typer.Exit(exit_after(job))


def _coming_back(command: str) -> AbstractContextManager[None]:
    """Say how to come back to a job that the person or an error leaves; it goes on."""
    hint = f"The job goes on without this command, and its results are kept. To come back: {command}"
    return saying_at_break(hint, CatalogError)


def _naming(idempotency_key: str) -> AbstractContextManager[None]:
    """Say how to send the same again where it is not known whether it has arrived."""
    hint = f"It may have arrived. With --idempotency-key {idempotency_key} the same command makes no second job."
    return saying_at_break(hint, ServiceUnreachableError)


def _follow(catalog: Catalog, job: Job, timeout: float | None) -> Job:
    """Wait for the job's end with a progress bar, and print how it ended."""
    with progress_bars(TimeRemainingColumn()) as progress:
        bar = progress.add_task("classifying", total=None)

        def show_progress(current: Job) -> None:
            progress.update(bar, completed=current.counts.total - current.counts.pending, total=current.counts.total)

        ended = catalog.wait(job, timeout_s=timeout, progress=show_progress, trouble=say_trouble)
    counts = ended.counts
    figures = [f"{counts.succeeded} classified", f"{counts.failed} failed", f"{counts.cancelled} cancelled"]
    figures += [
        f"{count} {name}" for name, count in (("invalid", counts.invalid), ("expired", counts.expired)) if count
    ]
    say(f"{ended.state}: {', '.join(figures)}")
    return ended


def _noting_titles(items: Iterable[dict[str, Any]], titles: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Pass the items on, and keep the first titles to show them beside the results."""
    for item in items:
        if len(titles) < SHOWN and "id" in item:
            titles[str(item["id"])] = str(item.get("title") or "")
        yield item

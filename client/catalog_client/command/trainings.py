"""The commands of `catalog` that keep the model fresh: labels, trainings, models, drift."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.progress import Progress, TaskID

from catalog_client import Catalog, InputError, LabelSummary, Stage, Training, read_labels
from catalog_client.command.options import DEFAULT_URL, Key, Url, brief_catalog, console, progress_bars
from catalog_client.command.output import conclude, models_table

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", help="Why you change the model; kept in the history.")]


@app.command()
def label(
    table: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The table of labels, a .csv or .ndjson file.")
    ],
    pictures: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="The folder with the pictures.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="The job whose results the labels name by their column id.")] = None,
    skip_invalid: Annotated[
        bool, typer.Option(help="Leave invalid labels out; otherwise one invalid label refuses them all.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send corrections and confirmations for trainings to learn from."""
    with Catalog(url, key) as catalog:
        labels = lambda: read_labels(table, pictures, job)  # noqa: E731  # read again for each try
        summary = catalog.send_labels(labels, on_invalid="skip" if skip_invalid else None)
    console.print(_summary_line(summary))


@app.command()
def train(
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Override a value of params.yaml, such as train.text.epochs=20; may be repeated.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="The catalogue to learn from; `catalog sources` lists them.")
    ] = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Texts without a label to learn from as well; may be repeated."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="The branch, tag or commit to train with.")] = None,
    promote: Annotated[
        str, typer.Option(help="Whether a model that passes the gate is promoted: auto, manual or never.")
    ] = "auto",
    webhook: Annotated[str | None, typer.Option(help="A URL that gets a webhook when the training has ended.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Seconds after which the training expires.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the training's end, and show its progress.")] = True,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Request a training, follow its stages, and show the gate's verdict."""
    params = _nested(assignments or [])
    with Catalog(url, key) as catalog:
        training = catalog.train(
            params,
            source=source,
            unlabelled=unlabelled or (),
            revision=revision,
            promote=promote,
            webhook_url=webhook,
            deadline_s=deadline,
        )
        console.print(f"training [bold]{training.id}[/bold]")
        if wait:
            conclude(_follow(catalog, training))


@app.command()
def sources(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print the names of what a training may learn from, one per line."""
    with brief_catalog(url, key) as catalog:
        for name in catalog.training_sources():
            typer.echo(name)


@app.command()
def training(
    training: Annotated[
        str | None,
        typer.Argument(metavar="[TRAINING]", help="The training's id; if left out, all your trainings are listed."),
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print a training's state, or the list of your trainings, as JSON."""
    with brief_catalog(url, key) as catalog:
        if training:
            document: Any = catalog.training(training).document
        else:
            document = {"trainings": [each.document for each in catalog.trainings()]}
    typer.echo(json.dumps(document, indent=2))


@app.command("cancel-training")
def cancel_training(
    training: Annotated[str, typer.Argument(metavar="TRAINING", help="The training's id.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """End a training with all its processes."""
    with brief_catalog(url, key) as catalog:
        console.print(f"training {training} is {catalog.cancel_training(training).state}")


@app.command()
def models(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Show the registered versions, which of them serves, and the gate's verdicts."""
    with brief_catalog(url, key) as catalog:
        console.print(models_table(catalog.models()))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version's number in the registry.")],
    reason: Reason = "",
    force: Annotated[bool, typer.Option(help="Promote the version although it has not passed the gate.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a version the champion, which workers then serve within seconds."""
    with brief_catalog(url, key) as catalog:
        console.print(models_table(catalog.promote(version, reason=reason, force=force)))


@app.command()
def rollback(reason: Reason = "", url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Put the previous champion back into service."""
    with brief_catalog(url, key) as catalog:
        console.print(models_table(catalog.rollback(reason=reason)))


@app.command()
def drift(
    days: Annotated[int, typer.Option(min=1, help="How many days to look back.")] = 7,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print as JSON how far items and answers have moved away from those of the model's validation."""
    with brief_catalog(url, key) as catalog:
        typer.echo(json.dumps(catalog.drift(days=days).document, indent=2))


def _nested(assignments: list[str]) -> dict[str, Any]:
    """Read `a.b=1` as `{"a": {"b": 1}}`, and values as params.yaml's are read."""
    params: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        *sections, last = name.split(".")
        if not equals or not all((*sections, last)):
            raise InputError(f"--set {assignment}: expected NAME=VALUE, such as train.text.epochs=20")
        section = params
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = yaml.safe_load(value)
    return params


def _follow(catalog: Catalog, training: Training) -> Training:
    """Wait for the training's end with a bar per stage; return the training."""
    with progress_bars() as progress:
        bars: dict[str, TaskID] = {}

        def show(current: Training) -> None:
            for stage in current.stages:
                _show(progress, bars, stage)

        return catalog.wait_training(training, progress=show)


def _show(progress: Progress, bars: dict[str, TaskID], stage: Stage) -> None:
    """Update the bar of a stage."""
    if stage.state == "waiting":
        return
    if stage.name not in bars:
        bars[stage.name] = progress.add_task(stage.name, total=None)
    bar = bars[stage.name]
    if stage.state == "done":
        how = "unchanged" if stage.cached else "done"
        progress.update(bar, description=f"{stage.name}: {how}", completed=1, total=1)
        progress.stop_task(bar)
    else:
        what = f": {stage.what}" if stage.what else ""
        progress.update(bar, description=stage.name + what, completed=stage.done or 0, total=stage.total)


def _summary_line(summary: LabelSummary) -> str:
    return (
        f"{summary.accepted} accepted, {summary.corrections} corrections, {summary.confirmations} confirmations, "
        f"{summary.conflicts} conflicts, {summary.invalid} invalid"
    )

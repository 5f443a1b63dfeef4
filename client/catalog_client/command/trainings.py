"""The commands of `catalog` that keep the model fresh: labels, trainings, models, drift."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.progress import Progress, TaskID

from catalog_client import Catalog, LabelSummary, Models, Stage, Table, Training, read_labels
from catalog_client.command.exits import Exit, saying_at_break
from catalog_client.command.options import (
    DEFAULT_URL,
    AsJson,
    Format,
    IdempotencyKey,
    Key,
    LabelTable,
    Map,
    Url,
    brief_catalog,
    mapping,
    progress_bars,
    say,
    say_error,
    say_trouble,
    show,
    show_json,
    tell_form,
)
from catalog_client.command.tables import models_table, verdict_table

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", help="Why you change the model; kept in the history.")]
WaitForWorkers = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until every worker serves the version, for a minute at most.")
]

_SWAP_S = 60.0
_POLL_S = 0.5


@app.command()
def label(
    table: LabelTable,
    idempotency_key: IdempotencyKey,
    map_: Map = None,
    format_: Format = None,
    pictures: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="The folder with the pictures.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="The job whose results the labels name by their column id.")] = None,
    skip_invalid: Annotated[
        bool, typer.Option(help="Leave invalid labels out; otherwise one invalid label refuses them all.")
    ] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send corrections and confirmations for trainings to learn from."""
    with Catalog(url, key) as catalog, Table(table, format=format_, mapping=mapping(map_)) as source:
        labels = lambda: read_labels(source, pictures, job)  # noqa: E731  # read again for each try
        summary = catalog.send_labels(
            labels, on_invalid="skip" if skip_invalid else None, idempotency_key=idempotency_key
        )
    tell_form(source)
    say(_summary_line(summary))
    if as_json:
        show_json(summary.document)


@app.command()
def train(
    idempotency_key: IdempotencyKey,
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
    wait: Annotated[
        bool, typer.Option(help="Wait for the training's end, and show its progress; otherwise only its id is printed.")
    ] = True,
    as_json: AsJson = False,
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
            idempotency_key=idempotency_key,
        )
        say(f"training {training.id}")
        if wait:
            training = _follow(catalog, training)
    if as_json:
        show_json(training.document)
    elif not wait:
        typer.echo(training.id)
    if wait:
        _conclude(training, as_table=not as_json)


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
    show_json(document)


@app.command("cancel-training")
def cancel_training(
    training: Annotated[str, typer.Argument(metavar="TRAINING", help="The training's id.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """End a training with all its processes."""
    with brief_catalog(url, key) as catalog:
        say(f"training {training} is {catalog.cancel_training(training).state}")


@app.command()
def models(as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Show the registered versions, which of them serves, and the gate's verdicts."""
    with brief_catalog(url, key) as catalog:
        _show_models(catalog.models(), as_json)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version's number in the registry.")],
    reason: Reason = "",
    force: Annotated[bool, typer.Option(help="Promote the version although it has not passed the gate.")] = False,
    wait: WaitForWorkers = True,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a version the champion, which workers then serve within seconds."""
    with brief_catalog(url, key) as catalog:
        models = catalog.promote(version, reason=reason, force=force)
        _show_models(models, as_json)
        if wait:
            _await_workers(catalog, models)


@app.command()
def rollback(
    reason: Reason = "",
    wait: WaitForWorkers = True,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Put the previous champion back into service."""
    with brief_catalog(url, key) as catalog:
        models = catalog.rollback(reason=reason)
        _show_models(models, as_json)
        if wait:
            _await_workers(catalog, models)


@app.command()
def drift(
    days: Annotated[int, typer.Option(min=1, help="How many days to look back.")] = 7,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Print as JSON how far items and answers have moved away from those of the model's validation."""
    with brief_catalog(url, key) as catalog:
        show_json(catalog.drift(days=days).document)


def _nested(assignments: list[str]) -> dict[str, Any]:
    """Read `a.b=1` as `{"a": {"b": 1}}`, and values as params.yaml's are read."""
    params: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        *sections, last = name.split(".")
        if not equals or not all((*sections, last)):
            raise typer.BadParameter(f"--set {assignment}: expected NAME=VALUE, such as train.text.epochs=20")
        section = params
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = yaml.safe_load(value)
    return params


def _show_models(models: Models, as_json: bool) -> None:
    if as_json:
        show_json(models.document)
    else:
        show(models_table(models))


def _await_workers(catalog: Catalog, models: Models) -> None:
    """Wait until every worker serves the champion; say what they serve if it takes longer than a minute."""
    bundle = next((model.bundle for model in models.models if model.version == models.champion), None)
    deadline = time.monotonic() + _SWAP_S
    while (served := catalog.health().bundles) and served != (bundle,) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if served == (bundle,):
        say(f"version {models.champion}, bundle {bundle}: every worker serves it")
    else:
        say(f"version {models.champion} is the champion, but workers serve {', '.join(served) or 'no model'} now")


def _conclude(training: Training, as_table: bool) -> None:
    """Say what came of a training that has ended; ends with the status of `Exit` if it failed."""
    if training.state != "completed":
        stage = f" in {training.error.stage}" if training.error and training.error.stage else ""
        message = training.error.message if training.error else training.reason or ""
        say_error(f"training {training.id} {training.state}{stage}\n{message}".rstrip())
        raise typer.Exit(Exit.SOME_FAILED)
    if training.verdict:
        if as_table:
            show(verdict_table(training.verdict))
        say(training.verdict.detail)
    became = "now the champion" if training.promoted else "not promoted"
    say(f"version {training.version}, bundle {training.bundle}: {became}")
    if training.verdict and not training.promoted and training.promote != "never":
        force = "" if training.verdict.passed else " --force"
        say(f'To put it into service yourself: catalog promote {training.version}{force} --reason "…"')


def _follow(catalog: Catalog, training: Training) -> Training:
    """Wait for the training's end with a bar per stage; return the training."""
    with progress_bars() as progress:
        bars: dict[str, TaskID] = {}

        def show_stages(current: Training) -> None:
            for stage in current.stages:
                _show(progress, bars, stage)

        hint = f"The training goes on without this command. To look at it: catalog training {training.id}"
        with saying_at_break(hint):
            return catalog.wait_training(training, progress=show_stages, trouble=say_trouble)


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

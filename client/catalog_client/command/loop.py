"""The commands of `catalog` that keep the model fresh: labels, trainings, models, drift."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.box import SIMPLE
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from catalog_client.command.options import DEFAULT_URL, Key, Url, console
from catalog_client.service import Service, ServiceError
from catalog_client.tables import read_labels

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", help="Why: it is kept on record.")]


@app.command()
def label(
    table: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .csv or .ndjson of labels.")],
    pictures: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="The pictures' folder.")] = None,
    job: Annotated[str | None, typer.Option(help="Whose results the table's ids name.")] = None,
    skip_invalid: Annotated[bool, typer.Option(help="Leave invalid labels out instead of sending none.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send corrections and confirmations for trainings to learn from."""
    options = {"on_invalid": "skip" if skip_invalid else None}
    answer = Service(url, key).label(lambda: read_labels(table, pictures, job), options)
    console.print(_labels_line(answer))


@app.command()
def train(
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Of params.yaml: train.text.epochs=20")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where the challenge's files are read from.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit to train with.")] = None,
    promote: Annotated[
        str, typer.Option(help="auto, manual or never: what a verdict in its favour leads to.")
    ] = "auto",
    webhook: Annotated[str | None, typer.Option(help="A URL to be told when it has ended.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Seconds after which it is given up.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for its end, and show how far it is.")] = True,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Ask for a training, follow its stages, and show the gate's verdict."""
    service = Service(url, key)
    asked = {
        "params": _nested(set_ or []),
        "source": source,
        "revision": revision,
        "promote": promote,
        "webhook_url": webhook,
        "deadline_s": deadline,
    }
    training = service.train({name: value for name, value in asked.items() if value is not None})
    console.print(f"training [bold]{training['id']}[/bold]")
    if wait:
        _conclude(_follow(service, training["id"]))


@app.command()
def training(
    training: Annotated[str | None, typer.Argument(help="Its id; all of yours where it is left out.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """A training's state as JSON, or the list of yours."""
    service = Service(url, key)
    typer.echo(json.dumps(service.training(training) if training else service.trainings(), indent=2))


@app.command("cancel-training")
def cancel_training(
    training: Annotated[str, typer.Argument(help="The training's id.")], url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """End a training with all its processes."""
    console.print(f"training {training} is {Service(url, key).cancel_training(training)['state']}")


@app.command()
def models(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """The registered models, which of them serves, and what the gate said."""
    console.print(_models_table(Service(url, key).models()))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="Its number in the registry.")],
    reason: Reason = "",
    force: Annotated[bool, typer.Option(help="Although the gate has not let it pass.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a version the champion: workers take it within seconds."""
    console.print(_models_table(Service(url, key).promote(version, {"reason": reason, "force": force})))


@app.command()
def rollback(reason: Reason = "", url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Put the champion's predecessor back into service."""
    console.print(_models_table(Service(url, key).rollback({"reason": reason})))


@app.command()
def drift(
    days: Annotated[int, typer.Option(min=1, help="So many days back.")] = 7, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """How far what comes in has moved away from what the model was trained on, as JSON."""
    typer.echo(json.dumps(Service(url, key).drift(days), indent=2))


def _nested(assignments: list[str]) -> dict[str, Any]:
    """`a.b=1` as `{"a": {"b": 1}}`; values are read as params.yaml's are."""
    found: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        *sections, last = name.split(".")
        if not equals or not all((*sections, last)):
            raise ServiceError(f"--set {assignment}: expected NAME=VALUE, such as train.text.epochs=20")
        section = found
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = yaml.safe_load(value)
    return found


def _follow(service: Service, training_id: str) -> dict[str, Any]:
    """The training once it has ended; shows a bar per stage until then."""
    found: dict[str, Any] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}
        for found in service.watch_training(training_id):
            for stage in found["stages"]:
                _show(progress, bars, stage)
    return found


def _show(progress: Progress, bars: dict[str, TaskID], stage: Mapping[str, Any]) -> None:
    name, state = stage["name"], stage["state"]
    if state == "waiting":
        return
    if name not in bars:
        bars[name] = progress.add_task(name, total=None)
    if state == "done":
        how = "unchanged" if stage["cached"] else "done"
        progress.update(bars[name], description=f"{name}: {how}", completed=1, total=1)
        progress.stop_task(bars[name])
    else:
        what = f": {stage['what']}" if stage["what"] else ""
        progress.update(bars[name], description=name + what, completed=stage["done"] or 0, total=stage["total"])


def _conclude(training: Mapping[str, Any]) -> None:
    """Show what came of it; raises `ServiceError` where it has failed."""
    if training["state"] != "completed":
        error = training["error"] or {"stage": None, "message": training["reason"] or ""}
        where = f" in {error['stage']}" if error["stage"] else ""
        raise ServiceError(f"training {training['id']} {training['state']}{where}\n{error['message']}".rstrip())
    verdict = training["verdict"]
    if verdict:
        table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
        for check in verdict["checks"]:
            passed = "[green]passed[/green]" if check["passed"] else "[red]not passed[/red]"
            table.add_row(check["name"], passed, check["detail"])
        console.print(table)
        console.print(verdict["detail"])
    became = "now the champion" if training["promoted"] else "not promoted"
    console.print(f"version {training['version']}, bundle {training['bundle']}: {became}")


def _models_table(answer: Mapping[str, Any]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("version", "bundle", "alias", "weighted F1", "gate", "trained"):
        table.add_column(name)
    for model in answer["models"]:
        gate = "" if model["gate"] is None else "passed" if model["gate"]["passed"] else "refused"
        figure = model["figures"].get("test.fusion.weighted_f1")
        table.add_row(
            model["version"],
            model["bundle"],
            ", ".join(model["aliases"]),
            "" if figure is None else f"{figure:.3f}",
            gate,
            model["created_at"][:19],
        )
    return table


def _labels_line(answer: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{answer[name]} {name}" for name in ("accepted", "corrections", "confirmations", "conflicts", "invalid")
    )

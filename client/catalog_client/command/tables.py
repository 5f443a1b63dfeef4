"""Results, jobs and models as tables for a terminal."""

from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from catalog_client import (
    Category,
    Explanation,
    Job,
    JobItem,
    Models,
    NearestDecision,
    Result,
    TaxonomyAcceptance,
    ThresholdMove,
    Verdict,
)

SHOWN = 15
"""Results that are shown; the others are only counted."""
_PICTURE = {
    None: None,
    "looked_at": "The picture did not change the answer.",
    "not_looked_at": "The text alone was sure: the picture was not looked at.",
}
_CODE_WIDTH, _BRANCHES_WIDTH = 16, 24
"""Characters of codes that are shown; some have 128."""


def results_table(
    results: Iterable[Result], titles: Mapping[str, str] | None = None, *, heading: str = "product"
) -> Table:
    """One line per result, however long its title is."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(heading, ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column("code", max_width=_CODE_WIDTH, no_wrap=True, overflow="ellipsis")
    table.add_column("category", ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column("sure", justify="right")
    table.add_column("review")
    table.add_column("text/picture say", max_width=_BRANCHES_WIDTH, no_wrap=True, overflow="ellipsis")
    table.expand = True
    for result in results:
        name = escape((titles or {}).get(result.id) or result.title or result.id)
        if result.category is None:
            message = result.error.message if result.error else result.status
            table.add_row(name, "", f"[red]{escape(message)}[/red]")
            continue
        category, review = result.category, "[yellow]yes[/yellow]" if result.needs_review else ""
        sure = f"{category.confidence:.0%}"
        table.add_row(name, escape(str(category.code)), escape(category.name), sure, review, _branches(result))
    return table


def items_table(items: Sequence[JobItem]) -> Table:
    """One line per item, with its position in the request; titles are those that were sent."""
    titles = {item.result.id: f"{item.result.index}  {item.title or item.result.id}" for item in items}
    return results_table([item.result for item in items], titles, heading="item")


def explanation_table(why: Explanation) -> Table:
    """One line per phrase that carried the answer, with what the category's lead loses without it."""
    table = _plain("words that carried the answer", "lead lost without them (log odds)")
    rather = f" rather than {_sure(why.runner_up)}" if why.runner_up else ""
    table.title = escape(f"{_sure(why.category)}{rather}")
    table.caption = "The picture changed the answer." if why.picture_changed_answer else _PICTURE[why.picture]
    for phrase in why.phrases:
        table.add_row(escape(phrase.text), f"{phrase.effect:+.2f}")
    return table


def nearest_table(decided: Iterable[NearestDecision]) -> Table:
    """One line per decided item that is like the one that was explained."""
    table = _plain("people decided about the nearest items", "category", "by", "on", "similarity")
    for near in decided:
        table.add_row(
            escape(near.title or ""),
            escape(near.category.name if near.category else "none fits"),
            escape(near.by),
            "" if near.at is None else f"{near.at.astimezone():%Y-%m-%d}",
            f"{near.similarity:.2f}",
        )
    return table


def jobs_table(jobs: Iterable[Job]) -> Table:
    """One line per job, and below its id its name, if it has one: beside it there is no room in 80 columns."""
    table = _plain("job", "state", "items", "done", "failed", "review", "sent")
    for column in table.columns[1:]:
        column.no_wrap = True
    for job in jobs:
        counts, sent = job.counts, job.created_at
        failed = counts.failed + counts.expired
        table.add_row(
            escape("\n".join(filter(None, (job.id, job.name)))),
            *(job.state, str(counts.total), f"{job.progress:.0%}", str(failed), str(counts.needs_review)),
            "" if sent is None else f"{sent.astimezone():%Y-%m-%d %H:%M:%S}",
        )
    return table


def models_table(models: Models) -> Table:
    """One line per registered version."""
    table = _plain("version", "bundle", "alias", "weighted F1", "gate", "trained")
    for model in models.models:
        gate = "" if model.gate is None else "passed" if model.gate.passed else "refused"
        figure = model.figures.get("test.fusion.weighted_f1")
        table.add_row(
            model.version,
            model.bundle,
            ", ".join(model.aliases),
            "" if figure is None else f"{figure:.3f}",
            gate,
            "" if model.created_at is None else f"{model.created_at:%Y-%m-%dT%H:%M:%S}",
        )
    return table


def taxonomy_history_table(entries: Iterable[TaxonomyAcceptance]) -> Table:
    """One line per taxonomy that was put."""
    table = _plain("number", "digest", "put", "by", "changes")
    for entry in entries:
        changes = ", ".join(f"{count} {kind}" for kind, count in entry.changes.items())
        when = f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}"
        table.add_row(str(entry.number), entry.digest, when, escape(entry.by or "another tenant"), changes)
    return table


def threshold_moves_table(moves: Iterable[ThresholdMove]) -> Table:
    """One line per move of the threshold, the latest first."""
    table = _plain("moved", "from", "to", "by", "reason")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for move in moves:
        before, after = ("the model's own" if one is None else f"{one:.3f}" for one in (move.before, move.after))
        when = f"{move.at.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(when, before, after, escape(move.by or "the service"), escape(move.reason))
    return table


def verdict_table(verdict: Verdict) -> Table:
    """One line per check of the gate."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), show_header=False)
    for check in verdict.checks:
        passed = "[green]passed[/green]" if check.passed else "[red]not passed[/red]"
        table.add_row(check.name, passed, escape(check.detail))
    return table


def _plain(*columns: str) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name)
    return table


def _sure(category: Category) -> str:
    return f"{category.name} ({category.confidence:.0%})"


def _branches(result: Result) -> str:
    """The codes that the text and the picture led to by themselves; of codes that are paths, the last part."""
    branches = result.branches
    categories = (branches.text, branches.image) if branches else (None, None)
    return escape("/".join(str(category.code).rpartition(" > ")[2] if category else "–" for category in categories))

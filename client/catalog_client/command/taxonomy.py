"""The commands `catalog taxonomy …`: seeing the categories, and changing them."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from catalog_client import Catalog, Taxonomy, TaxonomyCategory, TaxonomyChanges
from catalog_client.command.options import DEFAULT_URL, AsJson, Key, Url, brief_catalog, say, show, show_json
from catalog_client.command.tables import taxonomy_history_table

app = typer.Typer(no_args_is_help=True, help="See the categories that answers and labels name, and change them.")


def _present(file: Path) -> Path:
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}")
    return file


File = Annotated[
    Path,
    typer.Argument(
        callback=_present, metavar="FILE", help="The whole taxonomy: a .csv, .tsv, .xlsx, .ndjson or .json file."
    ),
]


@app.command("show")
def show_taxonomy(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Save the taxonomy as this CSV file, to change it and put it back."),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show the categories in force as a tree, with what answers can name."""
    with brief_catalog(url, key) as catalog:
        taxonomy = catalog.taxonomy()
        if output is not None:
            catalog.save_taxonomy(output)
            say(f"{len(taxonomy.categories)} categories in {output}; to put it back: --if-match {taxonomy.digest}")
        elif not as_json:
            show(_tree(taxonomy))
    if as_json:
        show_json(taxonomy.document)


@app.command()
def check(file: File, as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Say what is wrong with a taxonomy, by line; nothing is changed."""
    with brief_catalog(url, key) as catalog:
        changes = catalog.compare_taxonomy(file)
    if as_json:
        show_json(changes.document)
    say(f"{file} can be put: {_summary(changes)}")


@app.command()
def diff(file: File, as_json: AsJson = False, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Show what a taxonomy would change of the one in force; nothing is changed."""
    with brief_catalog(url, key) as catalog:
        changes = catalog.compare_taxonomy(file)
    _show_changes(changes, as_json)


@app.command()
def put(
    file: File,
    if_match: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST",
            help="The digest of the taxonomy that you have changed, as `catalog taxonomy show` says it; if another one "
            "is in force, nothing is changed. By default the one in force now is replaced.",
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Put a whole taxonomy in the place of the one in force, and show what that changed."""
    with Catalog(url, key) as catalog:
        changes = catalog.put_taxonomy(file, digest=if_match or catalog.taxonomy().digest)
    _show_changes(changes, as_json)
    say(f"taxonomy {changes.digest} is in force" + ("" if changes.changed else ", as it was before"))


@app.command()
def history(
    limit: Annotated[int, typer.Option(min=1, help="How many entries to show at most.")] = 20,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show who put which taxonomy when, the latest first."""
    with brief_catalog(url, key) as catalog:
        entries = catalog.taxonomy_history(limit=limit)
    if as_json:
        show_json({"history": [entry.document for entry in entries]})
    else:
        show(taxonomy_history_table(entries))


def _show_changes(changes: TaxonomyChanges, as_json: bool) -> None:
    if as_json:
        show_json(changes.document)
        return
    for change in changes.changes:
        training = " (needs a training)" if change.needs_training else ""
        typer.echo(f"{change.kind}: {change.detail}{training}")
    if changes.not_listed:
        typer.echo(f"and {changes.not_listed} more changes")
    say(_summary(changes))


def _summary(changes: TaxonomyChanges) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in changes.counts.items()) or "nothing changes"
    return kinds + ("; what is new is answered after a training" if changes.needs_training else "")


def _tree(taxonomy: Taxonomy) -> Tree:
    below: dict[str | None, list[TaxonomyCategory]] = defaultdict(list)
    known = {category.code for category in taxonomy.categories}
    for category in taxonomy.categories:
        below[category.parent if category.parent in known else None].append(category)
    whose = "of the model in service" if taxonomy.number == 0 else f"number {taxonomy.number}"
    tree = Tree(f"taxonomy {taxonomy.digest}, {whose}")
    _grow(tree, None, below)
    return tree


def _grow(tree: Tree, code: str | None, below: Mapping[str | None, list[TaxonomyCategory]]) -> None:
    for category in below.get(code, ()):
        _grow(tree.add(_line(category)), category.code, below)


def _line(category: TaxonomyCategory) -> str:
    line = escape(category.code)
    if not f" > {category.code}".endswith(f" > {category.name}"):  # a code that labels made is the path to the name
        line += f" {escape(category.name)}"
    match category.state:
        case "merged":
            return f"[dim]{line}: merged into {escape(category.moved_to or '')}[/dim]"
        case "retired":
            return f"[dim]{line}: retired[/dim]"
        case "untrained":
            return f"{line} [yellow]untrained, {category.labels or 0} labels[/yellow]"
    return line if category.share is None else f"{line} [dim]{category.share:.1%}[/dim]"

"""Reading a taxonomy from the rows of a table. It is accepted as a whole, or every fault is named by its line."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from shared.taxonomy.categories import Category, Taxonomy

CODE_LIMIT, NAME_LIMIT, GUIDELINE_LIMIT = 128, 200, 2000
"""Characters."""
MOST_CATEGORIES, MOST_LEVELS = 50_000, 20
_FAULTS_SHOWN = 20

_REQUIRED = ("code", "name")
_KNOWN = (*_REQUIRED, "parent", "guideline", "moved_to", "retired")
_NAME_OF_LANGUAGE = re.compile(r"name:([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2})")
_ELSEWHERE = re.compile(r"(google|gs1)|map:([^\s:][^:]{0,63})")
_YES, _NO = ("yes", "true", "1", "x"), ("no", "false", "0", "")

Row = tuple[int, Mapping[str, str]]
"""A line's number in the file, and its cells by column."""


@dataclass(frozen=True, slots=True)
class Fault:
    line: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


class TaxonomyError(ValueError):
    """The table is no taxonomy; `faults` names everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        shown = "; ".join(map(str, self.faults[:_FAULTS_SHOWN]))
        more = len(self.faults) - _FAULTS_SHOWN
        super().__init__(shown + (f"; and {more} more faults" if more > 0 else ""))

    @classmethod
    def about(cls, problem: str) -> "TaxonomyError":
        """An error about the file as a whole."""
        return cls([Fault(1, problem)])


def read(columns: Sequence[str], rows: Iterable[Row]) -> Taxonomy:
    """Return the taxonomy in a table whose first line names its columns.

    Args:
        columns: `code`, `name`, and perhaps `parent`, `guideline`, `name:LANGUAGE` for names in further languages,
            `moved_to` and `retired`, and codes in other taxonomies: `google`, `gs1`, or `map:NAME`. Neither case nor
            blanks around them count.
        rows: Rows without any content are passed over.

    Raises:
        TaxonomyError: a column is missing or unknown, or some line is wrong: its code is missing, too long, used before
            or only different in case or blanks from another; its name is missing; its parent is unknown, or lies below;
            it is merged into what nothing can be answered with.
    """
    known = {column: _known_as(column) for column in columns}
    if faults := list(_faults_of_columns([known[column] for column in columns])):
        raise TaxonomyError(faults)
    lines: dict[str, int] = {}
    found: dict[str, Category] = {}
    for number, (line, cells) in enumerate(rows):
        if number == MOST_CATEGORIES:
            raise TaxonomyError([Fault(line, f"there are more than {MOST_CATEGORIES:,} categories")])
        cells = {known[column]: cell.strip() for column, cell in cells.items() if column in known}
        category = _category(cells)
        if category is None:
            continue
        problems = list(_problems(category))
        if (retired := cells.get("retired", "")).casefold() not in (*_YES, *_NO):
            problems.append(f"the column retired has {retired[:20]!r}; write yes or no")
        if (earlier := lines.get(category.code)) is not None:
            problems.append(f"the code {category.code!r} is already that of line {earlier}")
        else:
            lines[category.code], found[category.code] = line, category
        faults += [Fault(line, problem) for problem in problems]
    faults += _faults_together(found, lines)
    if not found:
        faults.append(Fault(1, "there is no category"))
    if faults:
        raise TaxonomyError(faults)
    return Taxonomy(tuple(found.values()))


def _known_as(column: str) -> str:
    """Return a column's name in lower case and without blanks; that of another taxonomy keeps its case."""
    kind, sign, name = (part.strip() for part in column.partition(":"))
    return kind.lower() + sign + name


def _faults_of_columns(columns: Sequence[str]) -> Iterator[Fault]:
    for name in _REQUIRED:
        if name not in columns:
            yield Fault(1, f"there is no column {name!r}")
    for position, name in enumerate(columns):
        if name in columns[:position]:
            yield Fault(1, f"two columns are called {name!r}")
        elif name not in _KNOWN and not _NAME_OF_LANGUAGE.fullmatch(name) and not _ELSEWHERE.fullmatch(name):
            known = ", ".join(map(repr, _KNOWN))
            more = "'name:LANGUAGE', such as 'name:en', 'google', 'gs1' and 'map:NAME'"
            yield Fault(1, f"the column {name!r} is unknown: {known}, {more} are known")


def _category(cells: Mapping[str, str]) -> Category | None:
    """The row's category, however wrong; `None` for a row without content."""
    if not any(cells.values()):
        return None
    return Category(
        code=cells.get("code", ""),
        name=cells.get("name", ""),
        names={match[1].lower(): cell for name, cell in cells.items() if cell and (match := _language(name))},
        parent=cells.get("parent") or None,
        guideline=cells.get("guideline") or None,
        elsewhere={match[1] or match[2]: cell for name, cell in cells.items() if cell and (match := _other(name))},
        moved_to=cells.get("moved_to") or None,
        retired=cells.get("retired", "").casefold() in _YES,
    )


def _language(column: str) -> re.Match[str] | None:
    return _NAME_OF_LANGUAGE.fullmatch(column)


def _other(column: str) -> re.Match[str] | None:
    return _ELSEWHERE.fullmatch(column)


def _problems(category: Category) -> Iterator[str]:
    """What is wrong with a category by itself."""
    texts = [
        ("code", category.code, CODE_LIMIT),
        ("name", category.name, NAME_LIMIT),
        *((f"name:{language}", name, NAME_LIMIT) for language, name in category.names.items()),
        *((f"code in {taxonomy}", code, CODE_LIMIT) for taxonomy, code in category.elsewhere.items()),
        ("guideline", category.guideline or "", GUIDELINE_LIMIT),
    ]
    for column, text, limit in texts:
        if not text and column in _REQUIRED:
            yield f"the {column} is empty"
        if len(text) > limit:
            yield f"the {column} has {len(text):,} characters; at most {limit:,} are accepted"
        if odd := next((character for character in text if unicodedata.category(character) in ("Cc", "Cs")), None):
            yield f"the {column} has the character {odd!r}, which nobody sees"


def _faults_together(found: Mapping[str, Category], lines: Mapping[str, int]) -> Iterator[Fault]:
    """What is wrong between categories: codes that look alike, unknown parents, circles."""
    alike: dict[str, str] = {}
    for code in found:
        other = alike.setdefault(folded(code), code)
        if other != code:
            difference = f"the code {code!r} differs from {other!r} (line {lines[other]}) only in case or blanks"
            yield Fault(lines[code], difference)
    for code, category in found.items():
        if category.parent is not None and category.parent not in found:
            yield Fault(lines[code], f"the parent {category.parent!r} is no code of this table")
    for code, problem in _too_deep(found):
        yield Fault(lines[code], problem)
    parents = {category.parent for category in found.values()}
    for code, category in found.items():
        if unsound := _unsound_end(category, parents, found):
            yield Fault(lines[code], unsound)


def _unsound_end(category: Category, parents: Set[str | None], found: Mapping[str, Category]) -> str | None:
    """What is wrong with a merge or a retirement."""
    if category.active:
        return None
    if category.code in parents:
        return "it has categories below it: merge or retire these, not the category above them"
    if category.moved_to is None:
        return None
    if category.retired:
        return "it is both retired and moved to another category; only one of these can be"
    passed: set[str] = set()
    end = category.code
    while end in found and end not in passed:
        passed.add(end)
        end = found[end].moved_to or end
    if end in passed and found[end].moved_to is not None:
        return "its moves lead in a circle"
    if end not in found:
        return f"it is moved to {end!r}, which is no code of this table"
    if found[end].retired:
        return f"it is moved to {end!r}, which is retired"
    return None


def folded(text: str) -> str:
    """Return what two codes or names have in common that people take for the same: without case and blanks."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def _too_deep(found: Mapping[str, Category]) -> Iterator[tuple[str, str]]:
    """Categories that are their own ancestors, one for each circle, and those that lie too deep."""
    levels: dict[str, int] = {}  # of those that are sound; 0 for those above which there is a fault
    for start in found:
        way: list[str] = []
        on_way: set[str] = set()
        code: str | None = start
        while code is not None and code in found and code not in levels and code not in on_way:
            way.append(code)
            on_way.add(code)
            code = found[code].parent
        if code is not None and code in on_way:
            circle = way[way.index(code) :]
            yield code, _circle(circle)
            levels |= dict.fromkeys(way, 0)
            continue
        level = 0 if code is None or code not in found else levels[code]
        sound = code is None or level > 0
        for below in reversed(way):
            level += 1
            levels[below] = level if sound else 0
            if sound and level == MOST_LEVELS + 1:
                yield below, f"the category lies {level} levels deep; at most {MOST_LEVELS} are accepted"


def _circle(codes: Sequence[str]) -> str:
    if len(codes) == 1:
        return f"the category {codes[0]!r} is its own parent"
    shown = " in ".join(map(repr, [*codes[:3], "…"] if len(codes) > 3 else [*codes, codes[0]]))
    return f"the parents lead in a circle: {shown}"

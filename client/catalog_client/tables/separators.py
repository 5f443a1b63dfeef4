"""Finds the character that separates a table's cells."""

import re

from catalog_client.tables.errors import MalformedTableError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""What separates cells, and its name; the first one counts where several occur equally often."""

_HINT = re.compile(r'"?sep=(.?)"?[,;\t|]*\s*', re.IGNORECASE)
"""Excel's own first line, which is no row."""
_QUOTED = re.compile(r'"[^"]*(?:"|$)')


def hinted(line: str, number: int) -> str | None:
    """Return the separator that a line such as `sep=;` names, or `None` for another line.

    Raises:
        MalformedTableError: it names another character.
    """
    hint = _HINT.fullmatch(line)
    if hint is None:
        return None
    if hint[1] not in SEPARATORS or not hint[1]:
        detail = (
            f"line {number} of the table names the separator {hint[1]!r}; {', '.join(SEPARATORS.values())} are taken"
        )
        raise MalformedTableError(detail, number)
    return hint[1]


def separator_of(heading: str, default: str = ",") -> str:
    """Return the separator that occurs most often in the heading outside quotes."""
    plain = _QUOTED.sub("", heading)
    best = max(SEPARATORS, key=plain.count)
    return best if best in plain else default

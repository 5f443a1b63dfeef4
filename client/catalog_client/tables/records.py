"""Splits text into the records of a CSV table while it arrives."""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from itertools import chain

from catalog_client.tables.errors import MalformedTableError, RecordTooLongError
from catalog_client.tables.separators import hinted, separator_of

_FIELD_LIMIT = 2**31 - 1
"""What the module `csv` allows of a cell, for the whole process: records have a limit of their own."""
_LINE_END = re.compile(r'(?:(?<![^,;\t|])"[^"]*+(?:""[^"]*+)*+"|[^\r\n])*+(\r\n|\n|\r)')
"""The first line with its end; line ends in quoted cells do not count."""
_CLOSED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
_RETURN = re.compile(r"\r(?!\n|\Z)")
"""One that neither belongs to a CRLF nor ends the text."""

Record = tuple[int, list[str]]
"""The number of the line in which it begins, from 1, and its cells."""


class Records:
    """A splitter of text into records: cells may be quoted, and lines end with CRLF, LF or, everywhere, CR.

    Args:
        limit: Maximum bytes of a record in UTF-8.
        separator: What separates cells if the heading has no separator.
    """

    def __init__(self, limit: int, separator: str = ",") -> None:
        self.separator: str | None = None
        """Known when the first record is."""
        self._default = separator
        self._limit = limit
        self._waiting: list[str] = []
        """The text of an incomplete record."""
        self._characters = self._bytes = 0
        self._enough = 0
        """Characters with which the waiting text is read again: a long cell is not read again for each line."""
        self._line = 1
        """The line in which the waiting text begins."""
        self._newline: str | None = None
        """For `StringIO`: what ends lines is LF, or any line end."""

    def feed(self, text: str, *, final: bool = False) -> Iterator[Record]:
        """Yield the records that are complete, blank ones without a cell that is not blank.

        Raises:
            MalformedTableError: a quote is followed by text or never closed, or a line ends in another way.
            RecordTooLongError: a record is over the limit.
        """
        self._keep(text)
        if final or (self._characters >= self._enough and self._may_end_in(text)):
            waiting = "".join(self._waiting)
            complete = len(waiting) if final else self._complete(waiting)
            if complete:
                yield from self._split(waiting[:complete], waiting[complete:], final)
        if self._bytes > self._limit:
            raise self._too_long(self._line, alone="\n" not in "".join(self._waiting))

    def _keep(self, text: str) -> None:
        self._waiting.append(text)
        self._characters += len(text)
        self._bytes += _size(text)

    def _may_end_in(self, text: str) -> bool:
        return "\n" in text or (self._newline != "\n" and "\r" in text)

    def _complete(self, text: str) -> int:
        """Return how many characters of the text are whole lines."""
        if self._newline is None:
            end = _LINE_END.match(text)
            if end is None or (end.end() == len(text) and end[1] == "\r"):  # a newline may follow
                return 0
            self._newline = "" if end[1] == "\r" else "\n"
        if self._newline:
            return text.rfind("\n") + 1
        return max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1

    def _split(self, text: str, rest: str, final: bool) -> Iterator[Record]:
        """Yield the records of whole lines, and keep what is left of them."""
        if self._newline is None:
            end = _LINE_END.match(text)
            self._newline = "" if end and end[1] == "\r" else "\n"
        lines = [*StringIO(text, newline=self._newline)]
        self._look_for_separator(lines)
        measured = self._bytes > self._limit
        ended: list[bool] = []
        if csv.field_size_limit() < _FIELD_LIMIT:
            csv.field_size_limit(_FIELD_LIMIT)
        reader = csv.reader(chain(lines, _noting_the_end(ended)), delimiter=self.separator or ",", strict=True)
        first, taken = self._line, 0
        try:
            for cells in reader:
                begun, taken = taken, reader.line_num
                if measured and sum(map(_size, lines[begun:taken])) > self._limit + 2:
                    raise self._too_long(first + begun, alone=taken == begun + 1)
                yield first + begun, cells
        except csv.Error as error:
            if not ended:
                record = "".join(lines[taken : reader.line_num])
                raise self._malformed(record, first + taken, str(error)) from error
            if final:
                self._raise_for_open_quote("".join(lines[taken:]), first + taken)
        left = "".join(lines[taken:]) + rest
        self._line = first + taken
        self._waiting, self._characters, self._bytes = [], 0, 0
        self._keep(left)
        self._enough = 2 * len(left) if taken < len(lines) else 0

    def _look_for_separator(self, lines: list[str]) -> None:
        """Decide by the heading, or by a line before it that names the separator; such a line becomes a blank one."""
        for index, line in enumerate(lines):
            if self.separator is not None:
                return
            if line.strip():
                self.separator = hinted(line, self._line + index)
                if self.separator is None:
                    self.separator = separator_of(line, self._default)
                else:
                    lines[index] = "\n"

    def _raise_for_open_quote(self, record: str, line: int) -> None:
        if _size(record) > self._limit:
            raise self._too_long(line, alone=False)
        raise MalformedTableError(f"a quote in the record that begins in line {line} is not closed", line)

    def _too_long(self, line: int, *, alone: bool) -> RecordTooLongError:
        if alone:
            return RecordTooLongError(f"line {line} is over {self._limit:,} bytes", line)
        detail = f"the record that begins in line {line} is over {self._limit:,} bytes: is a quote open?"
        return RecordTooLongError(detail, line)

    def _malformed(self, record: str, line: int, reason: str) -> MalformedTableError:
        """Say what is wrong with a record that cannot be split, and where."""
        fault = _fault(record, self.separator or ",")
        if fault is None:
            return MalformedTableError(f"line {line} of the table: {reason}", line)
        at, what, advice = fault
        before = record[:at]
        column, further = at - before.rfind("\n"), before.count("\n")
        where = f"character {column} of line {line + further}" if further else f"character {column}"
        return MalformedTableError(f"line {line} of the table: {what} at its {where}: {advice}", line, column)


def _noting_the_end(ended: list[bool]) -> Iterator[str]:
    """Yield nothing, and note that everything before has been read."""
    ended.append(True)
    yield from ()


def _fault(record: str, separator: str) -> tuple[int, str, str] | None:
    """Return where a record is wrong, in which way, and what to do."""
    at = 0
    while at < len(record):
        if closed := _CLOSED.match(record, at):
            at = closed.end()
            if at < len(record) and record[at] not in f"{separator}\r\n":
                return at, "text after a closing quote", "write a quote inside quotes twice"
        end = record.find(separator, at)
        if stray := _RETURN.search(record, at, len(record) if end < 0 else end + 1):
            return stray.start(), "a carriage return that ends no line", "put the cell in quotes"
        if end < 0:
            return None
        at = end + 1
    return None


def _size(text: str) -> int:
    """Return the bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

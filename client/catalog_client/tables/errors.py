"""What is wrong with a table, and where."""


class MalformedTableError(ValueError):
    """A table that cannot be read; the message says what is wrong with which line, and what to do.

    Attributes:
        line: The line, from 1; the first one of a record that spans several.
        column: The character in the line, from 1, where a single one is wrong.
    """

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class RecordTooLongError(MalformedTableError):
    """A record over the limit of bytes."""

"""Texts of others in CSV files that people open: a spreadsheet must not take them for formulas.

Files that our own programs read again keep each text as it is, or let none of others begin a cell.
"""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), full-width signs included."""


def disarmed(text: str) -> str:
    """Return the text with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text

"""Numbers as people of a language write them."""

from datetime import timedelta

_NARROW, _HARD = "\u202f", "\xa0"
"""Spaces at which a line does not break: https://www.unicode.org/cldr/charts/48/summary/fr.html."""


class Formats:
    """The formats of one language."""

    def __init__(self, language: str) -> None:
        self._french = language == "fr"

    def number(self, value: float, places: int = 0) -> str:
        """Return a number with its thousands apart: `12,345`, in French `12 345`."""
        text = f"{value:,.{places}f}"
        return text.replace(",", _NARROW).replace(".", ",") if self._french else text

    def percent(self, share: float, places: int = 0) -> str:
        """Return a share from 0 to 1 in per cent."""
        return self.number(share * 100, places) + (f"{_HARD}%" if self._french else "%")

    def span(self, seconds: float) -> str:
        """Return a time that something takes: `42 s`, `3 min`, `2 h 05 min`, `4 d`."""
        whole = round(seconds)
        if whole < 60:
            return f"{whole}{_HARD}s"
        if whole < 3600:
            return f"{whole // 60}{_HARD}min"
        if whole < 2 * 86400:
            hours, minutes = divmod(whole // 60, 60)
            return f"{hours}{_HARD}h{_HARD}{minutes:02}{_HARD}min"
        return f"{timedelta(seconds=whole).days}{_HARD}{'j' if self._french else 'd'}"

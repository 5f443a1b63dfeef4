"""The ledger's times, seconds since 1970 by Redis's clock, as clients see them."""

from datetime import UTC, datetime


def time_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def maybe_time(seconds: float | None) -> datetime | None:
    return None if seconds is None else time_of(seconds)

"""The header Retry-After: when somebody asks to be called again."""

from email.utils import parsedate_to_datetime


def retry_after(header: str, now: float) -> float:
    """Return the seconds from `now`, a Unix time, that the header asks for; 0 without a valid one."""
    header = header.strip()
    try:
        seconds = (
            float(header)
            if header.isascii() and header.isdecimal()
            else parsedate_to_datetime(header).timestamp() - now
        )
    except (ValueError, OverflowError, TypeError):
        return 0
    return max(seconds, 0)

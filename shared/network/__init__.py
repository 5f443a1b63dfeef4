"""HTTP to addresses that clients choose: which ones are allowed, and requests that cannot reach any other."""

__all__ = [
    "addresses",
    "outbound",
]

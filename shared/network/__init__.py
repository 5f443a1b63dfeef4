"""HTTP to addresses that clients choose: which ones are allowed, and requests that cannot reach any other; proxies."""

__all__ = [
    "addresses",
    "fetching",
    "outbound",
    "proxies",
    "retry_after",
    "urls",
]

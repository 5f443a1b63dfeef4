"""HTTP connections: what the server takes of a client's time, bytes and connections before the app sees a request."""

__all__ = [
    "descriptors",
]

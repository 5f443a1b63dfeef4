"""Access: who is calling, what they may do and how often, and which jobs are theirs."""

__all__ = [
    "authentication",
    "observers",
    "ownership",
    "revocation",
    "sessions",
]

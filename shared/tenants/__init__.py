"""Tenants: their API keys, the secrets that sign their webhooks, and the log of administrative acts."""

__all__ = [
    "admin_log",
    "api_keys",
    "local",
    "sessions",
    "webhook_secrets",
]

"""Tenants: their API keys and the secrets that sign their webhooks."""

__all__ = [
    "api_keys",
    "local",
    "webhook_secrets",
]

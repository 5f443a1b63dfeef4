"""The tenant of callers without an API key."""

LOCAL_TENANT = "local"
"""The tenant that owns what was sent without a key; no key can be made for it."""

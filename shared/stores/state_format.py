"""The format of what the service keeps in Redis: a release refuses a state that it would misread.

Within a format, fields may be added to hashes and JSON objects, which readers that do not know them ignore. Any other
change, such as one of the rows of items and outcomes, which are lists, is a new format, and takes two releases: the
first one reads both and still writes the old one, so that it can run beside the second one, which writes the new one.
"""

from importlib.metadata import version
from pathlib import Path

from redis import Redis

from shared.redis_access import LuaScripts

WRITTEN = 1
"""The format that this release writes. States of the releases before 0.2 have no number, and are of format 1."""
NEWEST_READ = 1
"""The newest format that this release reads."""

_LONGEST = 40
_SCRIPTS = LuaScripts(Path(__file__).parent / "lua")


class NewerStateError(RuntimeError):
    """A later release has written the state; the message says what to do."""


def claim(redis: Redis) -> None:
    """Mark the state with the format that this release writes, unless it is already marked with a later one.

    Raises:
        NewerStateError: this release cannot read the state. Nothing was changed.
        RedisError: the server cannot be reached.
    """
    script = _SCRIPTS.load(redis, "claim_format")
    this = version("rakuten-catalog")
    stored, by = (reply.decode(errors="replace")[:_LONGEST] for reply in script(args=[WRITTEN, this]))
    if not stored.isdecimal() or not 0 < int(stored) <= NEWEST_READ:
        raise NewerStateError(
            f"Redis holds the state of a later release (format {stored}, written by release {by!r}); this release, "
            f"{this}, reads formats up to {NEWEST_READ}. Start that release or a later one again, or restore the "
            "backup that was made before the upgrade"
        )

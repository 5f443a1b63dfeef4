"""File descriptors, of which each connection takes one: raised at the start."""

import logging
import resource

log = logging.getLogger(__name__)

WANTED = 65_536
"""Enough for all connections that are served; more would only slow down programs that close all descriptors."""


def raise_limit() -> None:
    """Raise this process's soft limit as far as its hard limit allows, and log it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= WANTED:
        log.info("descriptors: the limit is %s", "infinite" if soft == resource.RLIM_INFINITY else f"{soft:,}")
        return
    raised = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    log.info("descriptors: the soft limit was raised from %s to %s", f"{soft:,}", f"{raised:,}")


def limit() -> int:
    """Return how many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED if soft == resource.RLIM_INFINITY else soft

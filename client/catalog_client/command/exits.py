"""The exit statuses of `catalog`, for scripts."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from http import HTTPStatus

import typer

from catalog_client import (
    CatalogError,
    ConfigurationError,
    Job,
    ProblemError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from catalog_client._http import passes
from catalog_client.command.options import say

_USAGE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


class Exit(IntEnum):
    """What a script can tell from the status."""

    DONE = 0
    SOME_FAILED = 1
    """Items, or the job or training as a whole: failed, or refused because a table or a request is wrong."""
    USAGE = 2
    """The command was called wrongly: an option, the URL, the key, or the id of something that is not there."""
    SERVICE = 3
    """The service or the network: no answer, another program's answer, too busy, or not in time."""
    INTERRUPTED = 130
    """Ctrl-C: 128 and the signal's number, as shells have it."""


def exit_for(error: CatalogError) -> Exit:
    """Return the status that an error ends with."""
    if passes(error) or isinstance(error, (UnexpectedAnswerError, WaitTimeoutError)):
        return Exit.SERVICE
    refused = isinstance(error, ProblemError) and error.status in _USAGE
    return Exit.USAGE if refused or isinstance(error, ConfigurationError) else Exit.SOME_FAILED


def exit_after(job: Job) -> Exit:
    """Return the status that a command about this job ends with; items that were left out as invalid do not count."""
    unanswered = job.counts.failed + job.counts.expired + job.counts.cancelled
    return Exit.SOME_FAILED if unanswered or job.state in ("failed", "cancelled", "expired") else Exit.DONE


@contextmanager
def saying_at_break(hint: str, *errors: type[CatalogError]) -> Iterator[None]:
    """Say how to go on where Ctrl-C or one of these errors ends what is under way."""
    ends: tuple[type[BaseException], ...] = (KeyboardInterrupt, *errors)
    try:
        yield
    except ends as error:
        say(hint)
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(Exit.INTERRUPTED) from None
        raise

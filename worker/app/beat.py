"""Celery beat's scheduler, whose file has the same form with every version of Python."""

import dbm.dumb
import shelve
from typing import Any

from celery.beat import PersistentScheduler


class _Shelf:
    """What Celery takes for the module `shelve`."""

    @staticmethod
    def open(filename: str, *, writeback: bool) -> shelve.Shelf[Any]:
        file: Any = dbm.dumb.open(filename, "c")  # noqa: SIM115  # the scheduler closes it
        return shelve.Shelf(file, writeback=writeback)


class Scheduler(PersistentScheduler):
    """Remembers in a file when each task was last due, so that a restart skips none.

    From Python 3.13 on `shelve` itself writes a SQLite file, on which beat, a forked process, ended at its first write:
    "locking protocol".
    """

    persistence: Any = _Shelf

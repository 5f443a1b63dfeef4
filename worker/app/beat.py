"""Celery beat's scheduler, which keeps its memory as JSON."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import beat

log = logging.getLogger(__name__)


class Scheduler(beat.Scheduler):
    """Remembers in a file when each task was last sent, so that a restart skips none.

    Celery's own scheduler pickles objects with `shelve`. From Python 3.13 on that writes a SQLite file, on which beat,
    a forked process, ended at its first write: "locking protocol".
    """

    def __init__(self, *arguments: Any, schedule_filename: str, **options: Any) -> None:
        self._file = Path(schedule_filename)
        super().__init__(*arguments, **options)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        for name, sent in self._remembered().items():
            if (entry := self.schedule.get(name)) is not None and sent < entry.default_now():
                entry.last_run_at = sent

    def sync(self) -> None:
        """Write the file, whole or not at all; Celery calls this every few minutes and at the end."""
        times = {name: entry.last_run_at.isoformat() for name, entry in self.schedule.items() if entry.last_run_at}
        unfinished = self._file.with_name(f"{self._file.name}.unfinished")
        try:
            unfinished.write_text(json.dumps(times), encoding="utf-8")
            unfinished.replace(self._file)
        except OSError as error:
            log.warning("the times of periodic tasks cannot be kept: %s", error)

    def _remembered(self) -> dict[str, datetime]:
        try:
            times = json.loads(self._file.read_text(encoding="utf-8"))
            return {name: datetime.fromisoformat(time).astimezone(UTC) for name, time in times.items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:  # also a file of Celery's own scheduler
            log.warning("the times of periodic tasks are forgotten: %s cannot be read: %s", self._file, error)
        return {}

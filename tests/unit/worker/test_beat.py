import dbm
from pathlib import Path

import worker.tasks  # noqa: F401  # it registers what beat sends
from shared.queues import Task
from worker.app import app
from worker.app.beat import Scheduler


def test_beats_file_is_read_again_and_has_the_same_form_with_every_python(tmp_path: Path) -> None:
    file, name = str(tmp_path / "beat-schedule"), Task.SWEEP.value
    scheduler = Scheduler(app, schedule_filename=file)
    scheduler.reserve(scheduler.schedule[name])
    scheduler.close()
    assert dbm.whichdb(file) == "dbm.dumb"
    again = Scheduler(app, schedule_filename=file)
    assert again.schedule[name].total_run_count == 1
    again.close()


def test_the_housekeepers_beat_uses_it() -> None:
    assert app.conf.beat_scheduler == f"{Scheduler.__module__}:{Scheduler.__name__}"

"""Ending a training's processes: none may be left, however it tries to get away."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.waiting import wait_for
from worker.trainings.process_tree import MARK, ProcessTree, end_marked

DAEMONS = """
import os, subprocess, sys, time
folder = sys.argv[1]
def sleeper(name, **more):
    code = f"import os,time; open({folder + '/' + name!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], **more)
sleeper("child")
if os.fork() == 0:  # a daemon: its parent ends, its session and environment are new
    os.setsid()
    sleeper("daemon", start_new_session=True, env={})
    os._exit(0)
os.wait()
"""
STAYING, LEAVING = DAEMONS + "time.sleep(600)", DAEMONS + "time.sleep(1); sys.exit(3)"
NAMES = ("child", "daemon")


@pytest.fixture
def training() -> Iterator[str]:
    name = uuid4().hex[:24]
    yield name
    end_marked(name)


def grow(training: str, code: str, folder: Path) -> ProcessTree:
    command = [sys.executable, "-c", code, str(folder)]
    return ProcessTree(command, f"{training} 1", folder, os.environ, folder / "log.txt")


def pids(folder: Path) -> list[int]:
    """Process ids of child and daemon, once both run."""

    def written() -> list[int]:
        found = [path.read_text() for name in NAMES if (path := folder / name).exists()]
        return [int(pid) for pid in found if pid] if len(found) == len(NAMES) and all(found) else []

    return wait_for("child and daemon", written)


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_descendants_and_daemons_end_with_the_process_tree(training: str, tmp_path: Path) -> None:
    tree = grow(training, STAYING, tmp_path)
    below = pids(tmp_path)
    assert all(lives(pid) for pid in below)
    tree.end()
    assert not any(lives(pid) for pid in below)
    assert tree.poll() is not None


def test_orphans_end_with_the_command(training: str, tmp_path: Path) -> None:
    tree = grow(training, LEAVING, tmp_path)
    below = pids(tmp_path)
    assert wait_for("its status", tree.poll) == 3
    assert not any(lives(pid) for pid in below)


def test_process_tree_ends_with_its_parent(training: str, tmp_path: Path) -> None:
    parent = (
        "import os, sys, time; from pathlib import Path; from worker.trainings.process_tree import ProcessTree; "
        "folder = Path(sys.argv[2]); command = [sys.executable, '-c', sys.argv[3], str(folder)]; "
        "ProcessTree(command, sys.argv[1] + ' 1', folder, os.environ, folder / 'log.txt'); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, training, str(tmp_path), STAYING])
    below = pids(tmp_path)
    process.kill()
    process.wait()
    wait_for("all have ended", lambda: not any(lives(pid) for pid in below))


def test_end_marked_finds_processes_of_a_killed_guard(training: str, tmp_path: Path) -> None:
    tree = grow(training, "import time; print('up', flush=True); time.sleep(600)", tmp_path)
    wait_for("it runs", lambda: "up" in (tmp_path / "log.txt").read_text())
    (guard,) = [process for process in psutil.Process().children() if is_marked(process, f"{training} 1")]
    (command,) = guard.children()
    os.kill(guard.pid, signal.SIGKILL)
    wait_for("the guard has ended", tree.poll)
    assert lives(command.pid)
    assert end_marked(uuid4().hex) == 0
    assert end_marked(training) == 1
    assert not lives(command.pid)


def is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == mark)
    except psutil.Error:  # another test's, which has ended
        return False


def test_exit_status_after_a_signal_is_that_of_a_shell(training: str, tmp_path: Path) -> None:
    tree = grow(training, "import os; os.kill(os.getpid(), 9)", tmp_path)
    assert wait_for("its status", tree.poll) == 128 + signal.SIGKILL

"""`make up`: it starts everything, and leaves nothing behind."""

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
from redis import Redis

from shared.settings import ROOT
from stack.redis_server import find_server
from tests.conftest import Trained
from tests.rakuten import CODES
from tests.waiting import wait_for
from training.catalogue.challenge import UNLABELLED_FILE, UNLABELLED_PICTURES_FOLDER
from training.sample.catalogue import generate


def _processes(marker: str) -> list[int]:
    """Every process that carries the marker in its environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found


def test_ctrl_c_stops_everything(trained: Trained, tmp_path: Path) -> None:
    marker = uuid4().hex
    env = {
        **os.environ,
        "CATALOG_TEST_MARKER": marker,
        "CATALOG_MODEL": str(trained.bundle.folder),
        "MLFLOW_STORE": str(tmp_path / "mlflow-store"),
        # Nothing on this machine is reached through what leads out of it.
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "socks5://127.0.0.1:1",
        "SSL_CERT_FILE": "/nowhere/cert.pem",
    }
    log = tmp_path / "up.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "stack.up", str(tmp_path / "state")]
        up = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for("it is up", lambda: "Ctrl-C" in log.read_text() or up.poll() is not None, timeout_s=120)
        url = re.search(r"API +(\S+)", log.read_text())
        assert url is not None, log.read_text()
        assert httpx.get(f"{url[1]}/health").json()["status"] == "pass"
        wait_for("it says that no key is needed", lambda: "No API key exists" in log.read_text())
        assert len(_processes(marker)) >= 6
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
    assert up.returncode == 0
    assert _processes(marker) == []


def _running_redis(state: Path) -> subprocess.Popen[str]:
    """A process with a stack of which only Redis runs, in this state folder, on the port that it prints."""
    code = (
        "import time; from pathlib import Path; from shared.settings import ROOT\n"
        "from stack.services import Stack, Ports; from stack.processes import free_port\n"
        f"state = Path({str(state)!r}); state.mkdir(parents=True, exist_ok=True)\n"
        "stack = Stack(ROOT, state, Ports(free_port(), free_port(), None), say=lambda step: print(step, flush=True))\n"
        "stack.start_redis(); print(stack.ports.redis, flush=True); time.sleep(300)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _port_of(stack: subprocess.Popen[str]) -> int:
    assert stack.stdout is not None
    said: list[str] = []
    while not (line := stack.stdout.readline()).strip().isdecimal():
        assert line, "it has ended"
        said.append(line)
    assert any(find_server() in line for line in said), "the server that was found is named"
    return int(line)


def test_a_second_stack_in_one_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """Two Redis servers on one append-only file would make 31 jobs of 25."""
    with _running_redis(tmp_path / "state") as first:
        try:
            client = Redis(port=_port_of(first))
            client.set("a", "1")
            command = [sys.executable, "-m", "stack.up", str(tmp_path / "state")]
            second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert second.returncode == 1
            assert f"as process {first.pid}" in second.stderr
            assert f"kill {first.pid}" in second.stderr
            assert "Traceback" not in second.stderr
            assert client.get("a") == b"1"
        finally:
            first.kill()
    with _running_redis(tmp_path / "state") as third:
        try:
            assert Redis(port=_port_of(third)).get("a") == b"1", "once the first one is gone, its jobs are taken over"
        finally:
            third.kill()


def test_children_end_with_a_parent_that_is_killed(trained: Trained, tmp_path: Path) -> None:
    marker = uuid4().hex
    env = {**os.environ, "CATALOG_TEST_MARKER": marker, "CATALOG_MODEL": str(trained.bundle.folder)}
    code = (
        "import time; from pathlib import Path; from shared.settings import ROOT\n"
        "from stack.services import Stack, Ports; from stack.processes import free_port\n"
        f"stack = Stack(ROOT, Path({str(tmp_path / 'state')!r}), Ports(free_port(), free_port(), None))\n"
        "stack.state.mkdir(parents=True, exist_ok=True)\n"
        "stack.start_redis(); stack.start_housekeeper(); print('up', flush=True); time.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    wait_for("all three run", lambda: len(_processes(marker)) == 3)
    parent.kill()
    parent.wait()
    wait_for("the children are gone", lambda: not _processes(marker), timeout_s=30)


def test_one_command_writes_the_predictions_for_the_challenge(trained: Trained, tmp_path: Path) -> None:
    generate(tmp_path / "sample", per_type=4, test_items=5, seed=3)
    table, written = tmp_path / "sample" / UNLABELLED_FILE, tmp_path / "predictions.csv"
    env = {**os.environ, "CATALOG_MODEL": str(trained.bundle.folder), "CATALOG_TRACK_PREDICTIONS": "false"}
    arguments = [str(table), "--pictures", str(tmp_path / "sample" / UNLABELLED_PICTURES_FOLDER), "--challenge"]
    command = [sys.executable, "-m", "stack.submit", *arguments, "--output", str(written)]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with table.open() as given, written.open() as answered:
        rows, predictions = list(csv.DictReader(given)), list(csv.DictReader(answered))
    assert list(predictions[0]) == ["row", "prdtypecode"]
    assert [prediction["row"] for prediction in predictions] == [row[""] for row in rows]
    assert all(prediction["prdtypecode"] in CODES for prediction in predictions)

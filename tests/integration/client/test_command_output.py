"""What scripts get from the command: exit statuses, the standard output, files, and ways back to a job."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pandas as pd
import pytest

from catalog_client import Catalog, Job
from stack.processes import free_port
from stack.services import Stack
from tests.integration.client.unreliable import Fault, Unreliable
from tests.late_picture import late_picture
from tests.waiting import wait_for

COMMAND = (sys.executable, "-m", "catalog_client")
UNREACHABLE = "http://127.0.0.1:1/x.jpg"


@pytest.fixture(scope="module")
def done(stack: Stack) -> Job:
    """A job of 30 titles that has ended."""
    with Catalog(stack.url) as catalog:
        job = catalog.submit({"id": f"{number}", "title": f"Livre, tome {number}"} for number in range(30))
        return catalog.wait(job, timeout_s=120)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "items.ndjson"
    path.write_text('{"id": "a", "title": "Console de jeux"}\n{"id": "b", "title": "Poup\u00e9e en bois"}\n')
    return path


def _run(url: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments), "--url", url]
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def _lines(path: Path, *items: Mapping[str, object]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


# Exit statuses


def test_the_status_tells_what_became_of_the_items(stack: Stack, tmp_path: Path) -> None:
    bad = {"id": "bad", "image": {"url": UNREACHABLE}}
    good = {"id": "good", "title": "Livre"}
    some = _run(stack.url, "submit", _lines(tmp_path / "some.ndjson", bad, good))
    assert (some.returncode, "1 classified, 1 failed" in some.stderr) == (1, True)
    job = re.findall(r"job (\w+):", some.stderr)[0]
    for command in ("results", "wait"):
        assert _run(stack.url, command, job).returncode == 1
    over_budget = _run(stack.url, "submit", "--error-budget", 0, _lines(tmp_path / "none.ndjson", bad))
    assert over_budget.returncode == 1
    left_out = _run(stack.url, "submit", "--skip-invalid", _lines(tmp_path / "invalid.ndjson", {"id": "x"}, good))
    assert (left_out.returncode, "1 invalid" in left_out.stderr) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit", "{folder}/missing.csv"),
        ("submit", "{table}", "--limit", "0"),
        ("submit", "{table}", "--url", "catalog.example"),
        ("submit", "{table}", "--output", "{folder}"),
        ("submit", "{table}", "--output", "-", "--json"),
        ("submit", "{table}", "--output", "{folder}/x.parquet", "--challenge"),
        ("status", "nope"),
        ("listen", "--secret", "whsec_!"),
        ("train", "--set", "nothing"),
    ],
)
def test_wrong_usage_is_2(stack: Stack, table: Path, arguments: tuple[str, ...]) -> None:
    filled = [argument.format(folder=table.parent, table=table) for argument in arguments]
    command = [*COMMAND, *filled]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"CATALOG_URL": stack.url, **os.environ}
    )
    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "items accepted" not in ran.stderr


def test_the_service_and_the_network_are_3(stack: Stack, table: Path) -> None:
    away = _run(f"http://127.0.0.1:{free_port()}", "status", "a")
    assert away.returncode == 3
    page = Fault(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>")
    with Unreliable(stack.url, page) as server:
        hotel = _run(server.url, "submit", table)
        assert (hotel.returncode, "not the service" in hotel.stderr) == (3, True)
    with Unreliable(stack.url, Fault(503), Fault(503)) as server:
        assert _run(server.url, "models").returncode == 3


# The standard output


def test_a_script_gets_the_id_alone_and_comes_back_with_it(stack: Stack, table: Path, tmp_path: Path) -> None:
    sent = _run(stack.url, "submit", "--no-wait", table)
    assert re.fullmatch(r"\w+\n", sent.stdout)
    output = tmp_path / "results.csv"
    waited = _run(stack.url, "wait", sent.stdout.strip(), "--output", output)
    assert (waited.returncode, waited.stdout) == (0, "")
    assert [row["id"] for row in csv.DictReader(output.read_text().splitlines())] == ["a", "b"]
    again = _run(stack.url, "retry", "--no-wait", sent.stdout.strip())
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)  # nothing has failed


def test_tables_are_on_the_standard_output_and_messages_are_not(stack: Stack, done: Job) -> None:
    shown = _run(stack.url, "results", done.id)
    assert shown.returncode == 0
    assert "category" in shown.stdout
    assert "15 more" not in shown.stdout
    assert "… and 15 more" in shown.stderr


def test_json_is_all_that_the_standard_output_holds(stack: Stack, table: Path, done: Job) -> None:
    for arguments in (("submit", table), ("submit", "--no-wait", table), ("results", done.id), ("wait", done.id)):
        document = json.loads(_run(stack.url, *arguments, "--json").stdout)
        assert document["counts"]["total"] == (2 if arguments[0] == "submit" else 30)
    assert json.loads(_run(stack.url, "predict", "Livre", "--json").stdout)["category_id"]
    assert "models" in json.loads(_run(stack.url, "models", "--json").stdout)
    listed = json.loads(_run(stack.url, "jobs", "--json", "--limit", 200).stdout)
    assert done.id in [job["id"] for job in listed]
    assert done.id in _run(stack.url, "jobs", "--limit", 200).stdout


def test_jobs_are_listed_by_name_metadata_and_time(stack: Stack, table: Path) -> None:
    named = ("--name", "[b]Été[/b] 2027", "--metadata", "season=spring", "--metadata", "note=a=b")
    sent = json.loads(_run(stack.url, "submit", "--no-wait", "--json", *named, table).stdout)
    assert (sent["name"], sent["metadata"]) == ("[b]Été[/b] 2027", {"season": "spring", "note": "a=b"})
    chosen = ("--query", "ete", "--metadata", "note=a=b", "--since", sent["created_at"])
    shown = _run(stack.url, "jobs", *chosen).stdout
    assert sent["id"] in shown
    assert "[b]Été[/b] 2027" in shown
    assert [job["id"] for job in json.loads(_run(stack.url, "jobs", "--json", *chosen).stdout)] == [sent["id"]]
    before = _run(stack.url, "jobs", "--json", *chosen[:4], "--until", sent["created_at"])
    assert json.loads(before.stdout) == []


def test_items_are_listed_and_explained(stack: Stack, done: Job) -> None:
    listed = json.loads(_run(stack.url, "items", done.id, "--limit", 2, "--json").stdout)
    assert [item["result"]["index"] for item in listed] == [0, 1]
    least = json.loads(_run(stack.url, "items", done.id, "--order", "least-sure", "--limit", 30, "--json").stdout)
    sure = [item["result"]["category"]["confidence"] for item in least]
    assert sure == sorted(sure)
    assert len(sure) == 30
    shown = _run(stack.url, "items", done.id, "--limit", 1).stdout
    assert listed[0]["title"][:10] in shown
    why = json.loads(_run(stack.url, "explain", done.id, 0, "--json").stdout)
    shown = _run(stack.url, "explain", done.id, 0).stdout
    assert why["phrases"][0]["text"] in shown
    assert why["category"]["name"][:20] in shown


@pytest.mark.parametrize(
    "arguments", [("--metadata", "season"), ("--metadata", "a=b", "--metadata", "a=c"), ("--since", "yesterday")]
)
def test_a_filter_that_cannot_be_read_is_wrong_usage(stack: Stack, arguments: tuple[str, ...]) -> None:
    ran = _run(stack.url, "jobs", *arguments)
    assert (ran.returncode, "Traceback" in ran.stderr) == (2, False)


def test_results_go_through_a_pipe_as_lines(stack: Stack, done: Job) -> None:
    ran = _run(stack.url, "results", done.id, "--output", "-")
    assert [json.loads(line)["index"] for line in ran.stdout.splitlines()] == list(range(30))
    command = f"{sys.executable} -m catalog_client results {done.id} --output - --url {stack.url} | head -n 1"
    first = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (first.returncode, "Traceback" in first.stderr, len(first.stdout.splitlines())) == (0, False, 1)


def test_a_title_that_the_terminal_lacks_does_not_end_the_command(stack: Stack, tmp_path: Path) -> None:
    odd = _lines(tmp_path / "odd.ndjson", {"id": "1", "title": "Épée 🗡 \ud83d"}, {"id": "2", "title": "Épée 🗡"})
    ran = _run(stack.url, "submit", "--skip-invalid", odd, PYTHONIOENCODING="cp1252")
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr


# Files


def test_results_are_saved_as_parquet(stack: Stack, done: Job, tmp_path: Path) -> None:
    output = tmp_path / "results.parquet"
    saved = _run(stack.url, "results", done.id, "-o", output, "--json")
    assert (saved.returncode, json.loads(saved.stdout)["id"]) == (0, done.id)
    frame = pd.read_parquet(output)
    assert sorted(frame["id"], key=int) == [str(number) for number in range(30)]
    assert [*tmp_path.iterdir()] == [output]


def test_a_pipe_or_a_device_is_written_and_not_replaced(stack: Stack, done: Job, tmp_path: Path) -> None:
    assert _run(stack.url, "results", done.id, "-o", os.devnull).returncode == 0
    assert not Path(os.devnull).is_file()
    ran = _run(stack.url, "results", done.id, "-o", "/dev/stdout")
    assert (ran.returncode, len(ran.stdout.splitlines())) == (0, 30), ran.stderr
    target, link = tmp_path / "target.ndjson", tmp_path / "link.ndjson"
    link.symlink_to(target)
    assert _run(stack.url, "results", done.id, "-o", link).returncode == 0
    assert (link.is_symlink(), len(target.read_text().splitlines())) == (True, 30)


def test_a_folder_that_is_not_there_is_said_before_anything_is_sent(stack: Stack, table: Path) -> None:
    with Unreliable(stack.url) as server:
        ran = _run(server.url, "submit", table, "-o", table.parent / "nowhere" / "results.csv")
        assert (ran.returncode, server.requests) == (2, [])
    assert [*table.parent.iterdir()] == [table]


def test_an_interrupted_download_goes_on_where_it_ended(stack: Stack, tmp_path: Path) -> None:
    with Catalog(stack.url) as catalog:
        items = ({"id": f"{number}", "title": f"Livre {number}"} for number in range(2500))
        job = catalog.wait(catalog.submit(items), timeout_s=300)
    output, pages = tmp_path / "results.ndjson", tmp_path / "results.ndjson.pages"
    away = [Fault(404, body=b'{"detail": "away", "type": "x:away"}')]
    passed = Fault(passed_on=True, cut=10**9)  # answers as the service does
    with Unreliable(stack.url, passed, passed, *away) as server:
        broken = _run(server.url, "results", job.id, "-o", output)
    assert (broken.returncode, f"catalog results {job.id} --output {output}" in broken.stderr) == (2, True)
    assert not output.exists()
    with pages.open("a") as file:
        file.write('{"half a page')
    with Unreliable(stack.url) as server:
        resumed = _run(server.url, "results", job.id, "-o", output)
        asked = [path for _, path, _ in server.requests if "/results" in path]
    assert resumed.returncode == 0, resumed.stderr
    assert "cursor=" in asked[0]
    assert [json.loads(line)["index"] for line in output.read_text().splitlines()] == list(range(2500))
    assert not pages.exists()


def test_pages_of_another_job_are_not_taken_for_this_ones(stack: Stack, done: Job, tmp_path: Path) -> None:
    output = tmp_path / "results.ndjson"
    other = {"job_id": "other", "results": [], "next_cursor": "0~", "complete": True}
    (tmp_path / "results.ndjson.pages").write_text(json.dumps(other) + "\n")
    assert _run(stack.url, "results", done.id, "-o", output).returncode == 0
    assert len(output.read_text().splitlines()) == 30


# Keys and interruptions


def test_a_named_request_makes_one_job(stack: Stack, table: Path) -> None:
    named = ("submit", "--no-wait", "--idempotency-key", "catalogue of May", table)
    assert _run(stack.url, *named).stdout == _run(stack.url, *named).stdout
    assert _run(stack.url, "submit", "--no-wait", table).stdout != _run(stack.url, "submit", "--no-wait", table).stdout


def test_a_request_that_may_have_arrived_can_be_sent_again(stack: Stack, table: Path) -> None:
    lost = [Fault(passed_on=True)] * 5
    with Unreliable(stack.url, *lost) as server:
        ran = _run(server.url, "submit", "--no-wait", table)
        key = server.requests[0][2]["idempotency-key"]
    assert ran.returncode == 3
    assert f"--idempotency-key {key}" in " ".join(ran.stderr.split())
    assert _run(stack.url, "submit", "--no-wait", "--idempotency-key", key, table).returncode == 0


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_says_how_to_come_back(stack: Stack, tmp_path: Path) -> None:
    errors = tmp_path / "stderr"
    with late_picture() as (url, _), errors.open("w") as file:
        late = [{"id": f"{number}", "image": {"url": f"{url}?{number}"}} for number in range(500)]
        items = _lines(tmp_path / "late.ndjson", *late)
        command = [*COMMAND, "submit", str(items), "--url", stack.url, "-o", "r s.csv"]
        environment = {**os.environ, "COLUMNS": "200"}
        # Tests that run in the background ignore the signal, which their processes would inherit.
        process = subprocess.Popen(command, stderr=file, cwd=tmp_path, env=environment, preexec_fn=_heed_ctrl_c)
        try:
            wait_for("the job is accepted", lambda: "items accepted" in errors.read_text())
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
            process.wait()
    job = re.findall(r"job (\w+):", errors.read_text())[0]
    assert f"catalog wait {job} --output 'r s.csv'" in errors.read_text()


# Webhooks


def test_a_listener_prints_what_is_signed_with_the_secret_alone(stack: Stack, table: Path, tmp_path: Path) -> None:
    port, printed, errors = free_port(), tmp_path / "stdout", tmp_path / "stderr"
    url = f"http://127.0.0.1:{port}/"
    command = [*COMMAND, "listen", "--port", str(port), "--count", "1"]
    environment = {**os.environ, "COLUMNS": "200", "CATALOG_WEBHOOK_SECRET": stack.webhook_secret}
    with printed.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        try:
            wait_for("it listens", lambda: url in errors.read_text())
            forged = {"webhook-id": "1", "webhook-timestamp": f"{time.time():.0f}", "webhook-signature": "v1,AAAA"}
            assert httpx.post(url, content=b"{}", headers=forged).status_code == 401
            assert httpx.post(url, content=b" " * 2_000_000, headers=forged).status_code == 413
            assert _run(stack.url, "submit", table, "--webhook", url).returncode == 0
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
    event = json.loads(printed.read_text())
    assert (event["type"], event["data"]["counts"]["succeeded"]) == ("job.completed", 2)
    assert "no signature of the webhook is right" in errors.read_text()
    code = re.findall(r"(def receive.*?)\n\n", errors.read_text(), re.DOTALL)[0]
    assert code.count("\n") == 3
    compile(code, "example", "exec")
    assert stack.webhook_secret not in errors.read_text() + printed.read_text()


def test_a_port_that_is_taken_is_named(stack: Stack) -> None:
    port = httpx.URL(stack.url).port
    ran = subprocess.run(
        [*COMMAND, "listen", "--port", str(port), "--secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, f"port {port}" in ran.stderr) == (2, True)

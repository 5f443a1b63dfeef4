"""What an attacker would try on the running service; wrong keys and forbidden addresses have tests of their own."""

import ast
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import httpx
import pytest
from celery import Celery
from pydantic import SecretStr
from redis import Redis

from shared.ledger.scripts import job_key
from shared.queues import DELIVERY, HOUSEKEEPING, Lane, Task, celery_app
from shared.settings import ROOT, Settings
from shared.tenants.webhook_secrets import signing_secrets
from stack.receiver import WebhookReceiver
from stack.services import Stack, pick_ports
from tests.http import local_client
from tests.pictures import in_base64, jpeg
from tests.redis_state import break_record, due_at, lose_record, queue_key
from tests.waiting import finished, wait_for
from training.pipeline.layout import STARTER

TENANT = "shop"
QUEUES = (*Lane, HOUSEKEEPING, DELIVERY)
WORKERS = ("worker", "housekeeper", "courier")
PACKAGES = ("api", "client", "shared", "stack", "training", "worker")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The starter model serves; jobs are tracked in a database beside the logs."""
    folder = tmp_path_factory.mktemp("hardening")
    settings = {
        "CATALOG_MODEL": str(ROOT / STARTER),
        "CATALOG_MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "CATALOG_WEBHOOK_RETRIES_S": "[0.1]",
        "CATALOG_RATE_LIMIT": "100000/minute",
    }
    with Stack(ROOT, folder, pick_ports(mlflow=False, preferred=False), settings) as running:
        yield running


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    """Made as an operator makes one."""
    command = [sys.executable, "-m", "api.access.keys_cli", "create", "--tenant", TENANT, "--scope", "classify"]
    made = subprocess.run(command, env=stack.env, cwd=ROOT, capture_output=True, text=True, check=True)
    return made.stdout.strip()


@pytest.fixture(scope="module")
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def store(stack: Stack) -> Iterator[Redis]:
    with Redis.from_url(stack.env["CATALOG_REDIS_URL"]) as client:
        yield client


# Messages


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


@pytest.fixture(scope="module")
def queue(stack: Stack) -> Celery:
    """The queue as a sender with access to the broker uses it."""
    return celery_app(Settings(broker_url=stack.env["CATALOG_BROKER_URL"]))


@pytest.fixture
def broker(stack: Stack) -> Iterator[Redis]:
    with Redis.from_url(stack.env["CATALOG_BROKER_URL"]) as client:
        yield client


@pytest.fixture
def everybody_works_on(stack: Stack, api: httpx.Client, broker: Redis) -> Iterator[None]:
    """After the test all queues are read, nobody has died, and a job goes all the way to its webhook."""
    yield
    wait_for("the queues are read", lambda: not any(broker.llen(queue_key(queue)) for queue in QUEUES))
    secret = signing_secrets([SecretStr(_master(stack))], TENANT)[0].get_secret_value()
    with WebhookReceiver(secret) as receiver:
        job = api.post("/v1/jobs", json={"items": [{"title": "Livre"}], "webhook_url": receiver.url})
        assert finished(api, job.raise_for_status().json()["url"])["state"] == "completed"
        assert receiver.received.get(timeout=30)["type"] == "job.completed"
    assert all(stack.process(name).running for name in WORKERS)


@pytest.mark.usefixtures("everybody_works_on")
def test_a_pickled_message_is_never_unpickled(queue: Celery, tmp_path: Path, stack: Stack) -> None:
    control, proof = tmp_path / "control", tmp_path / "proof"
    pickle.loads(pickle.dumps(Bomb(control)))
    assert control.exists(), "the bomb works"
    for name in QUEUES:
        queue.send_task(Task.CLASSIFY, args=[Bomb(proof)], queue=name, serializer="pickle")
        with queue.connection_for_write() as connection, connection.Producer() as producer:
            producer.publish(pickle.dumps(Bomb(proof)), routing_key=name, content_type="application/x-python-serialize")
    for name in WORKERS:
        log = stack.process(name).log
        wait_for(f"{name} refuses it", lambda log=log: "ContentDisallowed" in log.read_text())  # type: ignore[misc]
    assert not proof.exists()


@pytest.mark.usefixtures("everybody_works_on")
@pytest.mark.parametrize("queue_name", QUEUES)
def test_malformed_messages_end_no_process(queue: Celery, queue_name: str) -> None:
    for task in (Task.CLASSIFY, Task.DELIVER):
        queue.send_task(task, queue=queue_name)
        queue.send_task(task, args=["x", "y"], queue=queue_name)
        queue.send_task(task, args=[{"lane": ["no such lane"]}], queue=queue_name)
        queue.send_task(task, args=["no such lane or job"], kwargs={"unknown": 1}, queue=queue_name)
    queue.send_task(Task.RECONCILE, args=["one too many"], queue=queue_name)
    queue.send_task("os.system", args=["true"], queue=queue_name)
    with queue.connection_for_write() as connection, connection.Producer() as producer:
        for body in (b"\xff\x00", b"{", b"[1, 2]"):
            producer.publish(body, routing_key=queue_name, content_type="application/json")
        for body in (b"\xff\x00", b"{", b"[1, 2]"):
            headers = {"task": Task.CLASSIFY, "id": "1"}
            producer.publish(body, routing_key=queue_name, content_type="application/json", headers=headers)


@pytest.mark.usefixtures("everybody_works_on")
def test_bytes_that_are_no_message_end_the_process_once(broker: Redis, stack: Stack) -> None:
    """Kombu gives up on it. A sender with access to the broker could as well empty it."""
    for queue_name in (Lane.INTERACTIVE, HOUSEKEEPING, DELIVERY):
        broker.lpush(queue_key(queue_name), b"\xff\x00")
    for name in WORKERS:
        wait_for(f"{name} ends", lambda name=name: not stack.process(name).running)  # type: ignore[misc]
    stack.revive()
    wait_for("the model is served", stack.serves, timeout_s=120)


# Code


_FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
_FORBIDDEN_CALLS = re.compile(r"eval|exec|yaml\.(unsafe_|full_)?load(_all)?|os\.(system|popen)|.*\.(read|to)_pickle")
_FORBIDDEN_ARGUMENTS = {"allow_pickle", "shell"}


def test_source_deserialises_no_code() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 80
    found = [f"{path.relative_to(ROOT)}: {what}" for path in modules for what in _dangers(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from marshal import loads",
        "import joblib.memory as m",
        "eval('1')",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(command, shell=True)",
        "frame.to_pickle(path)",
    ],
)
def test_check_for_deserialised_code_finds_known_cases(code: str) -> None:
    assert list(_dangers(code))


def _dangers(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (name for name in names if name.partition(".")[0] in _FORBIDDEN_MODULES)
        elif isinstance(node, ast.Call):
            if _FORBIDDEN_CALLS.fullmatch(ast.unparse(node.func)):
                yield ast.unparse(node)
            for argument in node.keywords:
                off = isinstance(argument.value, ast.Constant) and argument.value.value is False
                if argument.arg in _FORBIDDEN_ARGUMENTS and not off:
                    yield ast.unparse(node)


# Paths


PATHS = [
    "/etc/passwd",
    "../../etc/passwd",
    "../../../../../../etc/passwd",
    r"..\..\x",
    r"C:\x",
    "..",
    ".",
    "a/../../x",
    "x\0.jpg",
    "/proc/self/environ",
    "file:///etc/passwd",
    "//etc/passwd",
    "~/x",
    "%2e%2e%2fx",
    "x" * 5000,
]


class Watch:
    """Notes the paths that this process opens, lists, makes, moves or removes."""

    _EVENTS = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.link", "os.symlink")

    def __init__(self) -> None:
        self.on = False
        self.paths: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in self._EVENTS and isinstance(arguments[0], str | bytes | os.PathLike):
            self.paths.append(os.fsdecode(arguments[0]))


@pytest.fixture(scope="module")
def watch() -> Watch:
    """One for all tests: an audit hook cannot be taken off again."""
    return Watch()


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def watched(redis_port: int, redis: Redis, blobs: Path, watch: Watch) -> Iterator[httpx.Client]:
    """A caller of an API that opens nothing outside its folder of pictures, but for modules that it imports."""
    redis.flushall()
    url = f"redis://127.0.0.1:{redis_port}"
    settings = Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", blob_url=blobs.as_uri(), confirm_on_disk=False)
    with local_client(settings) as client:
        files = {"items": b'{"title": "Livre"}', "images": ("a.jpg", jpeg("blue"))}
        client.post("/v1/jobs", files=files).raise_for_status()  # the first request reads more, such as /etc/mime.types
        watch.paths, watch.on = [], True
        yield client
        watch.on = False
    python = (sys.prefix, sys.base_prefix, str(ROOT))
    opened = [path for path in watch.paths if not (path.startswith(python) and Path(path).suffix in (".py", ".pyc"))]
    assert [path for path in opened if not Path(path).is_relative_to(blobs)] == []


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("way", ["part", "zip", "JSON", "CSV", "URL"])
def test_paths_named_by_clients_are_never_opened(watched: httpx.Client, blobs: Path, way: str, name: str) -> None:
    picture, before = jpeg(), set(blobs.rglob("*"))
    if way in ("part", "zip"):
        body = BytesIO()
        with ZipFile(body, "w") as archive:
            archive.writestr(name, picture)
        file = ("a.zip", body.getvalue(), "application/zip") if way == "zip" else (name, picture, "image/jpeg")
        item = b'{"title": "Livre"}'
        response = watched.post("/v1/jobs", files={"items": ("items.ndjson", item), "images": file})
    elif way == "CSV":
        row = b'title,image\nLivre,"' + name.encode() + b'"\n'
        response = watched.post("/v1/jobs", content=row, headers={"Content-Type": "text/csv"})
    else:
        image = {"file" if way == "JSON" else "url": name}
        response = watched.post("/v1/jobs", json={"items": [{"title": "Livre", "image": image}]})
        assert response.status_code == 422
    assert response.status_code in (202, 400, 422), response.text
    assert_says_nothing(response, name)
    kept = blobs / sha256(picture).hexdigest()[:2] / sha256(picture).hexdigest()
    assert set(blobs.rglob("*")) - before <= {kept.parent, kept}


@pytest.mark.parametrize("name", PATHS)
def test_identifiers_are_never_used_as_paths(watched: httpx.Client, name: str) -> None:
    job = watched.post("/v1/jobs", json={"items": [{"id": name[:128], "title": "Livre"}]}).json()
    for url in ("/v1/jobs/{}", "/v1/jobs/{}/results", "/v1/jobs/{}/events", "/v1/jobs/{}/deliveries"):
        # Dots escaped, or the test's client would take them for folders itself.
        response = watched.get(url.format(quote(name, safe="").replace(".", "%2E")))
        assert response.status_code in (404, 405), response.text
    response = watched.get(job["results_url"], params={"cursor": name})
    assert response.status_code == 400
    assert_says_nothing(response, name)
    blob = watched.post("/v1/jobs", json={"items": [{"title": "Livre", "image": {"blob": name}}]})
    assert blob.status_code == 422


# What answers and logs say


@pytest.fixture(scope="module")
def secrets(stack: Stack, key: str) -> dict[str, str]:
    """Texts that must be nowhere; the wrong key has the id of a right one."""
    master = _master(stack)
    derived = signing_secrets([SecretStr(master)], TENANT)[0].get_secret_value()
    return {
        "the key's": key.rsplit("_", 1)[1],
        "the wrong key's": "beef" * 16,
        "the master": master.removeprefix("whsec_"),
        "the tenant's": derived.removeprefix("whsec_"),
    }


def test_no_secret_is_in_a_log_in_mlflow_or_in_redis(
    stack: Stack, api: httpx.Client, key: str, secrets: dict[str, str], store: Redis
) -> None:
    wrong = "_".join([*key.split("_")[:2], secrets["the wrong key's"]])
    refused = httpx.post(f"{stack.url}/v1/jobs", json={}, headers={"Authorization": f"Bearer {wrong}"})
    assert refused.status_code == 401
    with WebhookReceiver(statuses=[500, 500]) as receiver:
        webhook, picture = (receiver.url.replace("//", f"//user:{word}@") for word in ("hush-hook", "hush-picture"))
        items = [{"title": "Livre"}, {"title": "Lampe", "image": {"url": picture}}]
        job = api.post("/v1/jobs", json={"items": items, "webhook_url": webhook}).raise_for_status().json()
        ended = finished(api, job["url"])
        wait_for("the webhook is given up", lambda: api.get(job["url"]).json()["webhook"]["state"] == "failed")
    assert ended["state"] == "partial", "the picture was asked for, in vain"
    assert all(headers["Authorization"].startswith("Basic ") for headers, _ in receiver.requests)
    wait_for("the job is tracked", lambda: due_at(store, "tracking", job["id"]) is None)
    written = {str(path): path.read_bytes() for path in _written(stack)}
    assert {f"{name}.log" for name in (*WORKERS, "api", "redis")} <= {Path(path).name for path in written}
    assert any(job["id"].encode() in text for path, text in written.items() if "mlflow.db" in path)
    kept = _kept(stack)
    answers = {url: api.get(url).content for url in (job["url"], job["results_url"], f"{job['url']}/deliveries")}
    for place, text in (written | kept | answers).items():
        for whose, secret in secrets.items():
            assert secret.encode() not in text, f"{whose} secret is in {place}"
    for word in (b"hush-hook", b"hush-picture"):
        assert not [place for place, text in (written | answers).items() if word in text]
    # Redis has the webhook's URL by necessity, once; the picture's lies packed among the job's items.
    assert [place for place, text in kept.items() if b"hush-hook" in text] == [job_key(job["id"])]


TELLTALE = re.compile(r"Traceback|File \"|\.py\b|site-packages|/(?:etc|home|proc|root|tmp|usr|var|work)/")


def assert_says_nothing(response: httpx.Response, sent: str = "") -> None:
    """Neither traceback nor path, but for what the client has sent itself."""
    said = "\n".join([response.text, *(f"{name}: {value}" for name, value in response.headers.items())])
    for told in (sent, json.dumps(sent)[1:-1], json.dumps(repr(sent))[2:-2]):
        said = said.replace(told, "") if told else said
    assert not TELLTALE.search(said), said


def test_errors_reveal_no_traceback_and_no_path(stack: Stack, api: httpx.Client, store: Redis) -> None:
    broken = api.post("/v1/jobs", json={"items": [{"title": "Livre"}]}).json()
    finished(api, broken["url"])
    break_record(store, broken["id"])
    blobs, elsewhere = stack.state / "blobs", stack.state / "elsewhere"
    if blobs.exists():
        blobs.rename(elsewhere)
    blobs.touch()
    picture = {"items": [{"image": {"base64": in_base64(jpeg())}}]}
    answers = {
        400: api.post("/v1/jobs", content=b"{"),
        401: httpx.get(f"{stack.url}/v1/jobs/x"),
        404: api.get("/v1/jobs/x"),
        405: api.delete("/v1/jobs"),
        415: api.post("/v1/jobs", content=b"x", headers={"Content-Type": "application/x-python-serialize"}),
        422: api.post("/v1/jobs", json={"items": [{}]}),
        503: api.post("/v1/jobs", json=picture),
        500: api.get(broken["url"]),  # the last one: uvicorn closes the connection behind it
    }
    blobs.unlink()
    lose_record(store, broken["id"])
    assert [response.status_code for response in answers.values()] == list(answers)
    for response in answers.values():
        assert response.headers["Content-Type"] == "application/problem+json"
        assert_says_nothing(response)
    wait_for("the log has what the caller has not", lambda: "Traceback" in stack.process("api").log.read_text())


def _master(stack: Stack) -> str:
    return (stack.state / "webhook-master").read_text()


def _written(stack: Stack) -> list[Path]:
    """All logs, and MLflow's database."""
    return [*stack.state.rglob("*.log"), *stack.state.rglob("mlflow.db*")]


def _kept(stack: Stack) -> dict[str, bytes]:
    """Every value in both databases of Redis, by its key."""
    read = {b"string": "get", b"hash": "hgetall", b"set": "smembers"}
    kept: dict[str, bytes] = {}
    for url in (stack.env["CATALOG_REDIS_URL"], stack.env["CATALOG_BROKER_URL"]):
        with Redis.from_url(url) as redis:
            for name in redis.scan_iter():
                kind = redis.type(name)
                value = (
                    redis.zrange(name, 0, -1)
                    if kind == b"zset"
                    else redis.lrange(name, 0, -1)
                    if kind == b"list"
                    else getattr(redis, read[kind])(name)
                )
                kept[name.decode()] = value if isinstance(value, bytes) else repr(value).encode()
    return kept

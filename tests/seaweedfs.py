"""A real S3 server: SeaweedFS, with one bucket and one who may use it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import botocore.session
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stack.processes import Process, free_port

BUCKET = "catalog"
ACCESS_KEY, SECRET_KEY = "trainer", "a-secret-of-this-test-alone"

_SERVERS = ("s3", "master", "volume", "filer", "admin")


@contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[str]:
    """Its URL on loopback, while it runs; what it holds stays in the folder, for the next one."""
    folder.mkdir(parents=True, exist_ok=True)
    who = {"name": "trainer", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [who]}))
    port = port or free_port()
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": BUCKET,
        "s3.config": folder / "s3.json",
        "s3.port": port,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        **{f"{server}.port": free_port() for server in _SERVERS[1:]},
        # By default 10,000 above the others: some would be no ports.
        **{f"{server}.port.grpc": free_port() for server in _SERVERS},
        "webdav": "false",
        "master.telemetry": "false",
    }
    command = [
        str(Path(sys.executable).parent / "weed"),
        "mini",
        *(f"-{name}={value}" for name, value in options.items()),
    ]
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}  # it makes the bucket with them
    url = f"http://127.0.0.1:{port}"
    server = Process("SeaweedFS", command, folder / "log.txt", keys, folder)
    try:
        server.wait_until(lambda: _guards_its_bucket(url) and _has_its_bucket(url), timeout_s=60)
        yield url
    finally:
        server.stop()


def _guards_its_bucket(url: str) -> bool:
    try:
        return httpx.get(f"{url}/{BUCKET}").status_code == httpx.codes.FORBIDDEN
    except httpx.TransportError:
        return False


def _has_its_bucket(url: str) -> bool:
    """Whether the bucket is there, which it is some time after the server answers."""
    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=5, proxies={}),
    )
    try:
        client.head_bucket(Bucket=BUCKET)
    except (BotoCoreError, ClientError):
        return False
    return True

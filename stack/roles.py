"""The kinds of process that make up the service, and how each is started: `catalog-run ROLE`."""

import os
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import assert_never

from pydantic import ValidationError
from redis import RedisError

from shared.network.proxies import direct
from shared.queues import DELIVERY, HOUSEKEEPING, TRAINING, Lane
from shared.settings import get_settings, wrong_settings
from shared.stores.opening import open_redis
from shared.stores.redis_check import unusable_settings
from shared.stores.state_format import NewerStateError, claim

APP = "worker.app"
KEEP_ALIVE_S = 75
"""Seconds for which the API keeps a connection without a request: longer than load balancers and proxies, which keep it
for 60 s, so that none of them sends a request into a connection that is being closed."""
_HTTP = (
    *("--http", "api.http.server.protocol:Protocol", "--ws", "none", "--no-server-header", "--no-proxy-headers"),
    *("--timeout-keep-alive", str(KEEP_ALIVE_S)),
)
"""The API's own handling and bounds of connections: uvicorn has none by default (`--limit-concurrency`), but 2,048 may
wait to be accepted. The app reads proxies' headers, by `CATALOG_PROXY_ADDRESSES`."""
_SCHEDULE = str(Path(gettempdir()) / "beat-schedule")
"""What it holds may be lost: when each turn was taken last."""


class Role(StrEnum):
    API = "api"
    WORKER = "worker"
    HOUSEKEEPER = "housekeeper"
    """Recovery and expiry, with Celery's beat: one at a time."""
    COURIER = "courier"
    """Webhooks and tracking, which wait for others: many threads, and away from everything else."""
    TRAINER = "trainer"
    """One training at a time; start one for each GPU that trainings may have."""


_COMMANDS = ("backup", "restore")
"""They save all that the service keeps, and restore it (`stack/backup`)."""

_USAGE = f"""\
Usage: catalog-run ROLE [OPTION]...
       catalog-run backup|restore FOLDER-OR-URL

Start one process of the service, or save and restore all that the service keeps.

ROLE is one of {", ".join(Role)}.
OPTIONs are passed on: to uvicorn for the role api, to Celery's worker for the others.
"""


def command(
    role: Role, *, name: str | None = None, app: str = APP, schedule: str = _SCHEDULE, events: bool = False
) -> list[str]:
    """The role's command line.

    Args:
        name: What a Celery process is called, before its host; by default its role.
        app: The module of its Celery app.
        schedule: The housekeeper's file.
        events: Whether a Celery process says every two seconds that it is there, for Flower.
    """
    name = name or role.value
    celery = partial(_celery, app, name, events)
    match role:
        case Role.API:
            return _python("uvicorn", "--factory", "api.app:create_app", "--port", "5000", *_HTTP)
        case Role.WORKER:
            return celery(",".join(Lane), "--concurrency", "8")
        case Role.HOUSEKEEPER:
            return celery(HOUSEKEEPING, "--concurrency", "2", "--beat", "--schedule", schedule)
        case Role.COURIER:
            return celery(DELIVERY, "--concurrency", "16")
        case Role.TRAINER:
            return celery(TRAINING, "--concurrency", "1")
        case _:
            assert_never(role)


def main() -> None:
    """Become the role's process, which gets the further arguments; signals then reach it directly."""
    if sys.argv[1:] in (["--help"], ["-h"]):
        sys.stdout.write(_USAGE)
        return
    if len(sys.argv) < 2 or sys.argv[1] not in [*Role, *_COMMANDS]:
        sys.exit(_USAGE)
    try:
        problems = unusable_settings(get_settings())
    except ValidationError as error:
        problems = wrong_settings(error)
    if problems:
        sys.exit("\n".join(f"catalog-run: {line}" for line in problems))
    os.environ.update(direct())
    if sys.argv[1] in _COMMANDS:
        from stack.backup.command import main as run  # what the API's image lacks, MLflow's client

        run(sys.argv[1:])
        return
    if problem := _newer_state():
        sys.exit(f"catalog-run: {problem}")
    line = [*command(Role(sys.argv[1]), events=get_settings().task_events), *sys.argv[2:]]
    os.execv(line[0], line)  # noqa: S606  # ours


def _newer_state() -> str | None:
    """What is wrong with the state in Redis; nothing while Redis cannot be reached, which every process waits for."""
    try:
        with open_redis(get_settings()) as redis:
            claim(redis)
    except NewerStateError as error:
        return str(error)
    except RedisError:
        pass
    return None


def _celery(app: str, name: str, events: bool, queues: str, *options: str) -> list[str]:
    # Workers know each other through the ledger; what Celery would have them say to each other hinders reconnecting.
    alone = ["--without-gossip", "--without-mingle", *(() if events else ("--without-heartbeat",))]
    worker = ["worker", "--pool", "threads", *alone, "--hostname", f"{name}@%h", "--queues", queues]
    return _python("celery", "-A", app, *worker, *options)


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


if __name__ == "__main__":
    main()

"""The kinds of process that make up the service, and how each is started: `catalog-run ROLE`."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from tempfile import gettempdir
from typing import assert_never

from pydantic import ValidationError

from shared.queues import DELIVERY, HOUSEKEEPING, TRAINING, Lane
from shared.settings import get_settings

APP = "worker.app"
_HTTP = ("--http", "api.http.server.protocol:Protocol", "--ws", "none", "--no-server-header", "--no-proxy-headers")
"""The API's own handling of connections; its app reads proxies' headers, by `CATALOG_PROXY_ADDRESSES`."""
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


_USAGE = f"""\
Usage: catalog-run ROLE [OPTION]...

Start one process of the service.

ROLE is one of {", ".join(Role)}.
OPTIONs are passed on: to uvicorn for the role api, to Celery's worker for the others.
"""


def command(role: Role, *, name: str | None = None, app: str = APP, schedule: str = _SCHEDULE) -> list[str]:
    """The role's command line.

    Args:
        name: What a Celery process is called, before its host; by default its role.
        app: The module of its Celery app.
        schedule: The housekeeper's file.
    """
    name = name or role.value
    match role:
        case Role.API:
            return _python("uvicorn", "--factory", "api.app:create_app", "--port", "5000", *_HTTP)
        case Role.WORKER:
            return _celery(app, name, ",".join(Lane), "--concurrency", "8")
        case Role.HOUSEKEEPER:
            return _celery(app, name, HOUSEKEEPING, "--concurrency", "2", "--beat", "--schedule", schedule)
        case Role.COURIER:
            return _celery(app, name, DELIVERY, "--concurrency", "16")
        case Role.TRAINER:
            return _celery(app, name, TRAINING, "--concurrency", "1")
        case _:
            assert_never(role)


def main() -> None:
    """Become the role's process, which gets the further arguments; signals then reach it directly."""
    if sys.argv[1:] in (["--help"], ["-h"]):
        sys.stdout.write(_USAGE)
        return
    if len(sys.argv) < 2 or sys.argv[1] not in [*Role]:
        sys.exit(_USAGE)
    try:
        get_settings()
    except ValidationError as error:
        wrong = (f"CATALOG_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        sys.exit("\n".join(f"catalog-run: {line.replace('Value error, ', '')}" for line in wrong))
    line = [*command(Role(sys.argv[1])), *sys.argv[2:]]
    os.execv(line[0], line)  # noqa: S606  # ours


def _celery(app: str, name: str, queues: str, *options: str) -> list[str]:
    # Workers know each other through the ledger; what Celery would have them say to each other hinders reconnecting.
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = ["worker", "--pool", "threads", *alone, "--hostname", f"{name}@%h", "--queues", queues]
    return _python("celery", "-A", app, *worker, *options)


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


if __name__ == "__main__":
    main()

"""`make up`: the whole service, until Ctrl-C."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from shared.telemetry import logs
from stack.processes import StartError
from stack.services import ROOT, Stack, pick_ports

_OPEN = "No API key exists: every user and program on this machine may do everything. docs/running.md, Security."


def run(state: Path, backup: str | None = None) -> None:
    """Returns when it was told to stop, with nothing left behind.

    Args:
        backup: What to restore first.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with Stack(ROOT, state, pick_ports(), say=_say, trainer=True, backup=backup) as stack:
        print(
            f"\n  console  {stack.url}/console   (jobs, review, models, trainings: in a browser)"
            f"\n  API      {stack.url}   (interactive documentation: {stack.url}/docs)"
            f"\n  Redis    {stack.env['CATALOG_REDIS_URL']}   (CATALOG_REDIS_URL, for catalog-keys)"
            f"\n  MLflow   http://127.0.0.1:{stack.ports.mlflow}/#/experiments?workflowType=machine_learning"
            f"\n  webhooks are signed with the secret in {stack.state}/webhook-secret"
            "\n\n  Ctrl-C stops everything.",
            flush=True,
        )
        if stack.open_without_key():
            print(f"\n  {logs.in_red(_OPEN, sys.stdout)}", flush=True)
        while not stopped.wait(1):
            stack.revive()
        print("\n  stopping …", flush=True)


def _say(step: str) -> None:
    print(f"  {step} …", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", nargs="?", type=Path, default=ROOT / ".run/up", help="the folder of its state")
    parser.add_argument("--restore", metavar="FOLDER-OR-URL", help="a backup to restore first; the state must be empty")
    return parser.parse_args()


if __name__ == "__main__":
    asked = _arguments()
    try:
        run(asked.state, asked.restore)
    except StartError as error:
        sys.exit(str(error))

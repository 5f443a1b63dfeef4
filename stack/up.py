"""`make up`: the whole service, until Ctrl-C."""

import signal
import sys
import threading
from pathlib import Path

from shared.telemetry import logs
from stack.processes import StartError
from stack.services import ROOT, Stack, pick_ports

_OPEN = "No API key exists: every user and program on this machine may do everything. docs/running.md, Security."


def run(state: Path) -> None:
    """Returns when it was told to stop, with nothing left behind."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with Stack(ROOT, state, pick_ports(), say=lambda step: print(f"  {step} …", flush=True), trainer=True) as stack:
        print(
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


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".run/up")
    except StartError as error:
        sys.exit(str(error))

"""`python -m stack.submit …`: `catalog submit …` on a service that is started for it and stopped after it."""

import subprocess
import sys

from stack.processes import StartError
from stack.services import ROOT, Stack, pick_ports


def run(arguments: list[str]) -> int:
    """The exit status of `catalog submit`, which gets the arguments as they are."""
    state = ROOT / ".run/submit"
    with Stack(ROOT, state, pick_ports(mlflow=False, preferred=False)) as stack:
        command = [sys.executable, "-m", "catalog_client", "submit", *arguments, "--url", stack.url]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:]))
    except StartError as error:
        sys.exit(str(error))

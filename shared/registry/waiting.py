"""Waiting for MLflow: work of hours does not fail because MLflow is away for minutes.

MLflow's client hands each request to urllib3, which tries it again while the connection fails or the answer is a 5xx.
That is the depth at which all calls meet, and where repeating does least harm. This module imports no MLflow.
"""

import logging
from collections.abc import Callable

PATIENT = {
    # urllib3 calls itself for each further try, a thousand would end in a RecursionError.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "400",
    "_MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT": "400",
    # Pauses of 0, 2, 4, 8 … seconds, and of two minutes at most: half a day in all.
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""The environment of a process whose calls of MLflow wait about half a day; its owner ends it at its deadline."""

_POOL = logging.getLogger("urllib3.connectionpool")
_FIRST_WORDS = ("Retrying (", "Retry: ")
"""How urllib3's lines begin that say of a request that it is tried again."""


def tell_of_waiting(tell: Callable[[int], None]) -> None:
    """Have `tell` called at each further try of a request in this process, with the number of tries so far.

    It takes the place of urllib3's own lines, which name addresses and exceptions.
    """
    tries = 0

    def replaced(record: logging.LogRecord) -> bool:
        nonlocal tries
        if not record.getMessage().startswith(_FIRST_WORDS):
            return record.levelno >= logging.WARNING
        tries += 1
        tell(tries)
        return False

    _POOL.setLevel(logging.DEBUG)  # after a 5xx it says only there that it tries again
    _POOL.addFilter(replaced)

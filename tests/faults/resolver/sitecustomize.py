"""Python runs this at its start where this folder is on PYTHONPATH: some names resolve to what a test wants."""

import socket
import time
from itertools import chain, repeat
from typing import Any

PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.2"
"""The test's settings allow connections to the first one only."""

_answers = {
    "changing.test": chain([[PUBLIC]], repeat([PRIVATE])),
    "private.test": repeat([PRIVATE]),
    "both.test": repeat([PUBLIC, PRIVATE]),
    "silent.test": repeat([]),
}
_ask = socket.getaddrinfo


def _getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> list[Any]:
    if host not in _answers:
        return _ask(host, port, *more, **options)
    addresses = next(_answers[host])
    while not addresses:
        time.sleep(1)
    return list(chain.from_iterable(_ask(address, port, *more, **options) for address in addresses))


socket.getaddrinfo = _getaddrinfo

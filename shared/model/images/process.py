"""A process of its own for pictures that take much, or may: it can be ended, which a thread cannot.

It has a budget of seconds and of memory, and decodes one picture at a time, so large ones take the memory of one. It
begins with the first such picture and stays, because starting it takes longer than decoding.

`concurrent.futures` and `multiprocessing` would run the main module again, with all that a worker or a stage imports.
"""

import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from shared.model.images.pillow import Pixels, attempt
from shared.picture_files import UnreadableImageError

_HEADER_S, _MEGAPIXEL_S = 2.0, 0.1
"""Seconds of CPU for a picture's header, and for each million pixels: at least five times what usual files took."""
_STUCK_S = 60
"""Seconds for one picture by the clock, however busy the machine is."""
_START_S = 60
_TRIES = 2
"""A process that ends by itself may have been the kernel's choice when memory was short."""
_MEMORY = 4 * 1024**3
"""Address space in bytes: a picture of training's 85 million pixels takes up to 1.4 GB."""
_HOME = Path(__file__).resolve().parents[3]

_REQUEST = struct.Struct("<II")
_READY, _PIXELS, _ERROR = b"r", b"p", b"e"


class _EndedError(RuntimeError):
    """The process ended by itself, or was stuck."""


class DecodingProcess:
    """Decodes pictures of all threads, one after the other."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def decode(self, data: bytes, size: int, max_pixels: int) -> Pixels:
        """Decode a picture to pixels of shape (size, size, 3).

        Raises:
            UnreadableImageError: it cannot be decoded, or not within the budget.
            OSError: the process cannot be started.
        """
        with self._turn:
            for _ in range(_TRIES):
                try:
                    answer = self._asked(_REQUEST.pack(size, max_pixels) + data)
                    break
                except _EndedError:
                    pass
            else:
                detail = f"decoding the picture ended the process that did it, {_TRIES} times: save it again"
                raise UnreadableImageError(detail, code="image_too_costly")
        if answer[:1] == _PIXELS:
            return np.frombuffer(answer, np.uint8, offset=1).reshape(size, size, 3)
        code, _, message = answer[1:].decode(errors="replace").partition("\n")
        raise UnreadableImageError(message, code)

    def _asked(self, request: bytes) -> bytes:
        """Return the answer; raises `UnreadableImageError`, `_EndedError` and `OSError`."""
        _, connection = self._running or self._start()
        try:
            connection.send_bytes(request)
            if connection.poll(_STUCK_S):
                return connection.recv_bytes()
        except (EOFError, ConnectionError):
            pass
        if self._end() == -signal.SIGPROF:
            detail = "decoding the picture takes far longer than others of its size: save it again, without metadata"
            raise UnreadableImageError(detail, code="image_too_costly")
        raise _EndedError

    def _start(self) -> tuple["subprocess.Popen[bytes]", Connection]:
        connection, theirs = Pipe()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # ours
                [sys.executable, "-m", "shared.model.images", str(theirs.fileno())],
                cwd=_HOME,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each of its threads would take address space
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._running = process, connection
        try:
            if connection.poll(_START_S) and connection.recv_bytes() == _READY:
                return self._running
        except (EOFError, ConnectionError):
            pass
        raise ChildProcessError(f"the process that decodes pictures does not start (status {self._end()})")

    def _end(self) -> int:
        """End the process, if it has not ended, and return its status."""
        assert self._running is not None  # noqa: S101  # it was started
        (process, connection), self._running = self._running, None
        connection.close()
        try:
            return process.wait(1)  # it may be about to end by itself
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def serve(descriptor: int) -> None:
    """Be that process, until the other one closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all, and the other process may have to finish
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    with Connection(descriptor) as connection:
        connection.send_bytes(_READY)
        while True:
            try:
                request = connection.recv_bytes()
            except (EOFError, ConnectionError):
                return
            _allow(_HEADER_S)
            answer = _answer(request)
            _allow(0)
            connection.send_bytes(answer)


def _allow(seconds: float) -> None:
    """Let this process end after `seconds` of CPU, whatever it is doing; 0: not at all."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _allow_pixels(image: Image.Image) -> bool:
    _allow(_HEADER_S + _MEGAPIXEL_S * image.width * image.height / 1e6)
    return True


def _answer(request: bytes) -> bytes:
    size, max_pixels = _REQUEST.unpack_from(request)
    outcome = attempt(request[_REQUEST.size :], size, max_pixels, _allow_pixels)
    assert outcome is not None  # noqa: S101  # it always proceeds
    if isinstance(outcome, UnreadableImageError):
        return _ERROR + f"{outcome.code}\n{outcome}".encode(errors="replace")
    return _PIXELS + outcome.tobytes()

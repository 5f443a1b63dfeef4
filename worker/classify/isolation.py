"""Classifies a chunk that was lost repeatedly, item by item, in a process of its own.

An item that ends this process or takes too long is the culprit: it fails alone, the others are classified, and the
worker lives on. Parent and child exchange one line of JSON per item over the child's standard input and output.
"""

import faulthandler
import json
import logging
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from shared.ledger import Outcome, PictureUse, QueuedItem
from shared.ledger.packing import pack_outcomes, unpack_outcomes
from shared.model import golden, runtimes
from shared.model.bundle import Bundle
from shared.settings import Settings, get_settings
from shared.stores.opening import open_blobs
from shared.taxonomy import Taxonomy, from_json, to_json
from shared.telemetry import logs
from worker.classify.classification import Classifier
from worker.classify.picture_source import PictureSource
from worker.classify.pictures import MAX_PIXELS, Pictures
from worker.classify.projections import Projections
from worker.serving.batching import Priority
from worker.serving.engine import Engine

log = logging.getLogger(__name__)

_NOT_KEPT = ("words", "unknown", "doubtful", "look")
"""What an outcome has beside what is packed."""
_TRIES = 2
_START_S = 120
"""Time limit for loading the model."""


class IsolationError(RuntimeError):
    """The process cannot be started, cannot reach the stores, or its model is broken; no item is to blame."""


class _DiedError(RuntimeError):
    """The process ended or took too long; the human-readable message says which."""


def longest_item_s(settings: Settings) -> float:
    """Return how long one item may take: all its tries, each with a model that is loaded for it."""
    return _TRIES * (_START_S + settings.item_timeout_s)


def classify_isolated(
    items: list[QueuedItem],
    bundle: Path,
    taxonomy: Taxonomy,
    use: PictureUse,
    settings: Settings,
    progressed: Callable[[], None],
) -> list[Outcome]:
    """Return one outcome per item, in order; raises `IsolationError`.

    Args:
        taxonomy: The one in force.
        use: Which of the pictures are looked at.
        progressed: Called after each item.
    """
    outcomes = []
    with tempfile.NamedTemporaryFile("w", prefix="taxonomy-", suffix=".json", encoding="utf-8") as in_force:
        in_force.write(to_json(taxonomy))
        in_force.flush()
        with _Child(bundle, Path(in_force.name), use, settings) as child:
            for item in items:
                outcomes.append(_tried(child, item))
                progressed()
    return outcomes


def _tried(child: "_Child", item: QueuedItem) -> Outcome:
    for attempt in range(1, _TRIES + 1):
        try:
            return child.classify(item)
        except _DiedError as error:
            with logs.bound(item=item.id):
                log.warning("item %r %s (try %d of %d)", item.id, error, attempt, _TRIES)
            failure = str(error)
    message = f"computing this item {failure}, {_TRIES} times in a process of its own, so it is given up: change it"
    return Outcome.failed(item, "item_kills_worker", message)


class _Child:
    """The child process; started when the first item comes, and again after it died."""

    def __init__(self, bundle: Path, taxonomy: Path, use: PictureUse, settings: Settings) -> None:
        self._arguments = [str(bundle), str(taxonomy), use]
        self._timeout_s = settings.item_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def classify(self, item: QueuedItem) -> Outcome:
        """Raises `_DiedError` and `IsolationError`."""
        process = self._started()
        try:
            _send(process.stdin, asdict(item))
        except BrokenPipeError:
            raise self._dead("ended the process that computes it") from None
        answer = self._answer(process, self._timeout_s)
        if "unavailable" in answer:
            raise IsolationError(answer["unavailable"])
        _, (outcome,) = unpack_outcomes(bytes.fromhex(answer["outcome"]))
        return replace(outcome, **{name: answer[name] for name in _NOT_KEPT})

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            command = [sys.executable, "-m", "worker.classify.isolation", *self._arguments, json.dumps(logs.ids())]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  # ours
            try:
                self._answer(self._process, _START_S)
            except _DiedError as error:
                raise IsolationError(
                    f"the process for single items did not start: loading the model {error}"
                ) from error
        return self._process

    def _answer(self, process: "subprocess.Popen[bytes]", timeout_s: float) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                raise self._dead(f"took more than {timeout_s:g} s")
        line = process.stdout.readline()
        if not line:
            raise self._dead("ended the process that computes it")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _dead(self, how: str) -> _DiedError:
        self.close()
        return _DiedError(how)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _send(pipe: IO[bytes] | None, message: dict[str, object]) -> None:
    assert pipe is not None  # noqa: S101  # it is a pipe
    pipe.write(json.dumps(message).encode() + b"\n")
    pipe.flush()


def main(bundle: Path, taxonomy: Path, use: PictureUse) -> None:
    """Run the child: answer each line with one line, until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    settings = get_settings()
    loaded = Bundle.load(bundle)
    engine = Engine(loaded, runtimes.load(loaded, settings.runtime), micro_batch=1)
    pictures = Pictures(engine, PictureSource(settings, open_blobs(settings)), MAX_PIXELS, features=None)
    in_force = from_json(taxonomy.read_bytes())
    classifier = Classifier(engine, pictures, Projections(loaded, lambda: in_force))
    _send(answers, {"ready": loaded.id})
    for line in sys.stdin.buffer:
        # If the parent is gone, an item that never ends must not leave this process behind.
        faulthandler.dump_traceback_later(2 * settings.item_timeout_s, exit=True)
        _send(answers, _classified(classifier, QueuedItem(**json.loads(line)), use))
        faulthandler.cancel_dump_traceback_later()


def _classified(classifier: Classifier, item: QueuedItem, use: PictureUse) -> dict[str, object]:
    try:
        outcome = classifier.item(item, Priority.BULK, use)
    except OSError as error:
        return {"unavailable": f"{type(error).__name__}: {error}"}
    except Exception as error:
        with logs.bound(item=item.id):
            log.exception("item %r cannot be computed", item.id)
        if broken := _broken(classifier.engine):
            return {"unavailable": broken}
        outcome = Outcome.failed(item, "item_failed", f"computing this item failed: {type(error).__name__}")
    return {"outcome": pack_outcomes("", [outcome]).hex(), **{name: getattr(outcome, name) for name in _NOT_KEPT}}


def _broken(engine: Engine) -> str | None:
    """Why the model computes nothing right, whatever the item; `None` if it gives its golden answers."""
    try:
        golden.verify(engine.bundle, engine.runtime)
    except Exception as error:
        return f"the model does not work: {type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    logs.configure("worker", get_settings())
    logs.bind(**json.loads(sys.argv[4]))
    main(Path(sys.argv[1]), Path(sys.argv[2]), PictureUse(sys.argv[3]))

"""How a stage that reads the operator's places ends when something is wrong."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from shared.pipeline.params import ParamsError
from training.catalogue.errors import CatalogueError
from training.catalogue.places import kind_of


@contextmanager
def told_by(stage: str) -> Iterator[None]:
    """End the process with a message, and with no traceback where the message says all.

    The message of an unforeseen error is not shown: it may quote what was read, and the log of a training is shown to
    its client.
    """
    try:
        yield
    except (CatalogueError, ParamsError) as error:
        raise SystemExit(f"{stage}: {error}") from error
    except Exception as error:
        lines = "".join(traceback.format_tb(error.__traceback__))
        raise SystemExit(f"{stage}: {kind_of(error)}, where this was called:\n{lines}") from None

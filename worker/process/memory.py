"""Control of malloc, so that memory that is no longer needed goes back to the system."""

import ctypes
import gc
from contextlib import suppress

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 1 << 22
"""Bytes; most pictures are smaller."""


def keep_weights_apart() -> None:
    """Make malloc map blocks as large as weights separately, so that freeing one returns all of its pages.

    By default malloc stops doing so once such a block was freed; later weights would then lie among objects that live
    longer, and leave holes.
    """
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_memory_back() -> None:
    """Free what an unloaded model or an ended training leaves behind: reference cycles and malloc's free lists."""
    gc.collect()
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)

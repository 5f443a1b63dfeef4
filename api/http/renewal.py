"""Keeping alive in Redis what belongs to a request that is still under way."""

import asyncio
from collections.abc import Callable

from fastapi.concurrency import run_in_threadpool

from shared.background import Background


async def renew_until_cancelled(renew: Callable[[], object], every_s: float) -> None:
    """Renew in a thread, again and again; a Redis that is away is asked again the next time."""
    background = Background("keeping what a request holds in Redis")
    while True:
        await asyncio.sleep(every_s)
        with background.turn():
            await run_in_threadpool(renew)

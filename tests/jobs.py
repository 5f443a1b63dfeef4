"""Jobs put straight into a ledger."""

from collections.abc import Sequence
from typing import Any

from shared.ledger import Claim, Explanation, Guess, ItemStatus, Lease, Ledger, MemoryQuota, NewJob, Outcome, QueuedItem
from tests.waiting import wait_for

LANE = "bulk"


def new_job(total: int, chunks: int, **more: Any) -> NewJob:
    """Kept for an hour, with a deadline that no test waits for."""
    facts = {"tenant": "local", "lane": LANE, "deadline_s": 3600, "max_queued": 10**6, "keep_s": 3600}
    return NewJob(**{**facts, "total": total, "chunks": chunks, "keep_record_s": 7200, **more})


def opened(ledger: Ledger, chunks: Sequence[int], invalid: int = 0, claim: Claim | None = None, **more: Any) -> str:
    """A job with chunks of the given sizes, and a last one with skipped items."""
    job, index, memory = ledger.new_id(), 0, MemoryQuota(more.get("tenant", "local"), share=1)
    for chunk, size in enumerate(chunks):
        ledger.stage(job, chunk, [QueuedItem(index + i, f"item-{index + i}", "titre") for i in range(size)], memory)
        index += size
    if invalid:
        skipped = [
            Outcome(index + i, f"item-{index + i}", ItemStatus.INVALID, error="invalid_item") for i in range(invalid)
        ]
        ledger.stage_invalid(job, len(chunks), skipped, memory)
    new = new_job(index + invalid, len(chunks) + bool(invalid), invalid=invalid, **more)
    try:
        ledger.open(job, new, claim=claim, fingerprint="f", keep_claim_s=60)
    except RuntimeError:  # refused, and so discarded, as by the API
        ledger.discard(job, memory.tenant)
        raise
    return job


def ended(ledger: Ledger, **more: Any) -> str:
    """A completed job of one item."""
    job = opened(ledger, [1], **more)
    lease = leased(ledger)
    assert lease.job_id == job
    ledger.commit(lease, "v1", outcomes_of(lease))
    return job


def leased(ledger: Ledger) -> Lease:
    """The next chunk, which there must be."""
    lease = ledger.lease(LANE)
    assert lease is not None
    return lease


def answered_next(ledger: Ledger, lane: str = "interactive") -> None:
    """Play a worker: wait for the next chunk, and answer it."""
    lease = wait_for("a chunk is queued", lambda: ledger.lease(lane))
    ledger.commit(lease, "v1", outcomes_of(lease))


def outcomes_of(lease: Lease, failing: int = 0, unsure: int = 0) -> list[Outcome]:
    """The first ones fail, those behind them need a look."""
    why = Explanation(("livre",), (0.5,), ((0, 1),), 0.9, None) if lease.explain else None

    def answered(item: QueuedItem, *, needs_review: bool) -> Outcome:
        best = Guess("10", 0.9)
        return Outcome(item.index, item.id, guesses=(best,), needs_review=needs_review, text=best, explanation=why)

    return [
        Outcome.failed(item, "image_unreadable", "no picture")
        if position < failing
        else answered(item, needs_review=position < failing + unsure)
        for position, item in enumerate(lease.items)
    ]

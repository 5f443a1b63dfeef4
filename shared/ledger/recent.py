"""The items that a tenant has sent of late: a sample of all that is kept of its jobs."""

from collections.abc import Iterator

from redis import Redis

from shared.ledger.chunks import Chunks, ResultsGoneError
from shared.ledger.job_list import JobList
from shared.ledger.records import Job, Outcome, QueuedItem
from shared.redis_access import in_bytes

_JOBS = 50
"""The latest jobs whose items are looked at."""


class RecentItems:
    def __init__(self, redis: Redis) -> None:
        self._jobs = JobList(redis)
        self._chunks = Chunks(in_bytes(redis))

    def sample(self, tenant: str, most: int) -> Iterator[tuple[QueuedItem, Outcome]]:
        """Yield the kept items of some chunks of the tenant's latest jobs with their outcomes, about this many at most.

        The chunks are spread over all of these jobs: a catalogue that is sent in one job may be sorted by category.
        """
        jobs = self._jobs.page(tenant, _JOBS).jobs
        chunks = [(job, chunk) for job in jobs for chunk in self._done(job)]
        step = max(1, -(-sum(job.total for job in jobs) // most))
        for job, chunk in chunks[::step]:
            try:
                found = self._chunks.outcomes(job, chunk)
            except ResultsGoneError:
                continue
            items = self._chunks.items(job, chunk)
            for outcome in () if found is None else found[1]:
                if (item := items.get(outcome.index)) is not None:
                    yield item, outcome

    def _done(self, job: Job) -> list[int]:
        try:
            return self._chunks.order(job)
        except ResultsGoneError:
            return []

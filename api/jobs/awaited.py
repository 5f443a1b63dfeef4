"""The answer to a job of one item that is awaited in its own request."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends
from fastapi.concurrency import run_in_threadpool

from api.dependencies import LedgerDep, ResultsDep, SettingsDep
from api.http.long_poll import ended_within
from api.http.notices import Notices, NoticesDep
from api.http.problems import Problem
from shared.ledger import Job, Ledger, Outcome, Results


class AwaitedAnswers:
    def __init__(self, ledger: Ledger, results: Results, notices: Notices, timeout_s: float) -> None:
        self._ledger = ledger
        self._results = results
        self._notices = notices
        self._timeout_s = timeout_s

    async def to(self, job: Job) -> tuple[str, Outcome]:
        """Wait for the job's one item; return the bundle that answered, and the outcome.

        Raises:
            Problem: no worker answered in time, or the item failed.
        """
        if not await ended_within(self._notices, job, self._timeout_s):
            raise self._not_done(job)
        bundle, outcome = await run_in_threadpool(self._read, job.id)
        if not outcome.guesses:
            kind = outcome.error.replace("_", "-") if outcome.error else "item-failed"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, kind, outcome.message or "", job_id=job.id)
        return bundle, outcome

    def _read(self, job_id: str) -> tuple[str, Outcome]:
        return self._results.page(self._ledger.job(job_id)).outcomes[0]

    def _not_done(self, job: Job) -> Problem:
        detail = (
            f"No worker answered within {self._timeout_s:g} s. The item is still queued: look at /v1/jobs/{job.id} "
            "later for its result."
        )
        return Problem(HTTPStatus.GATEWAY_TIMEOUT, "not-done-in-time", detail, job_id=job.id)


def _awaited(ledger: LedgerDep, results: ResultsDep, notices: NoticesDep, settings: SettingsDep) -> AwaitedAnswers:
    return AwaitedAnswers(ledger, results, notices, settings.predict_timeout_s)


AwaitedAnswersDep = Annotated[AwaitedAnswers, Depends(_awaited)]

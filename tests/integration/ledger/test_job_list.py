"""The list of a tenant's jobs in the ledger."""

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from shared.ledger import CursorError, JobFilter, JobList, JobState, Ledger, Search, TrainingRequest, Trainings
from shared.ledger.trainings import LANE
from tests.jobs import ended, leased, new_job, opened
from tests.redis_state import accept_at, forget_job_list, list_lasts, listed_jobs, lose_record


@pytest.fixture
def job_list(redis: Redis) -> JobList:
    return JobList(redis)


def pages(job_list: JobList, limit: int = 10, tenant: str = "local", *states: JobState) -> list[list[str]]:
    """The ids on each page."""
    found, cursor = list[list[str]](), None
    while True:
        page = job_list.page(tenant, limit, cursor, JobFilter(states))
        found.append([job.id for job in page.jobs])
        if page.cursor is None:
            return found
        cursor = page.cursor


def test_jobs_are_listed_newest_first_in_pages(ledger: Ledger, job_list: JobList) -> None:
    assert pages(job_list) == [[]]
    jobs = [opened(ledger, [1]) for _ in range(5)][::-1]
    assert pages(job_list) == pages(job_list, 5) == [jobs]
    assert pages(job_list, 2) == [jobs[:2], jobs[2:4], jobs[4:]]
    (newest,) = job_list.page("local", 1).jobs
    assert newest == replace(ledger.job(jobs[0]), read_at=newest.read_at)


def test_tenants_see_their_own_jobs(ledger: Ledger, job_list: JobList) -> None:
    ours, theirs = opened(ledger, [1], tenant="shop"), opened(ledger, [1], tenant="rival")
    assert (pages(job_list, tenant="shop"), pages(job_list, tenant="rival")) == ([[ours]], [[theirs]])
    of_ours = f"9999999999.0~{ours}"
    assert [job.id for job in job_list.page("rival", 10, of_ours).jobs] == [theirs], "a cursor opens no other list"


def test_trainings_and_jobs_that_are_not_to_be_listed_are_not(ledger: Ledger, job_list: JobList, redis: Redis) -> None:
    trainings, training = Trainings(redis), ledger.new_id()
    trainings.stage(training, TrainingRequest({}))
    ledger.open(training, new_job(1, 1, lane=LANE))
    opened(ledger, [1], listed=False)
    job = opened(ledger, [1])
    assert pages(job_list) == [[job]]
    assert [found.job.id for found in trainings.newest("local", 10)] == [training]


def test_a_page_of_a_state_may_be_short_and_more_follow(ledger: Ledger, job_list: JobList) -> None:
    done = [ended(ledger) for _ in range(3)]
    waiting = opened(ledger, [1])
    running = opened(ledger, [1])
    while leased(ledger).job_id != running:
        pass
    assert ledger.job(waiting).state is JobState.RUNNING
    last = opened(ledger, [1])
    assert pages(job_list, 10, "local", JobState.QUEUED) == [[last]]
    assert pages(job_list, 10, "local", JobState.QUEUED, JobState.RUNNING) == [[last, running, waiting]]
    assert pages(job_list, 2, "local", JobState.COMPLETED) == [[done[2], done[1]], [done[0]]]
    assert pages(job_list, 10, "local", JobState.EXPIRED) == [[]]


def test_no_more_jobs_are_looked_at_for_a_page_than_a_filter_may(
    ledger: Ledger, job_list: JobList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobList, "MOST_LOOKED_AT", 3)
    done = ended(ledger)
    for _ in range(6):
        opened(ledger, [1])
    assert pages(job_list, 2, "local", JobState.COMPLETED) == [[], [], [done]]


def test_a_job_that_comes_while_pages_are_read_changes_none_of_them(ledger: Ledger, job_list: JobList) -> None:
    jobs = [opened(ledger, [1]) for _ in range(4)][::-1]
    first = job_list.page("local", 2)
    opened(ledger, [1])
    assert [job.id for job in job_list.page("local", 2, first.cursor).jobs] == jobs[2:]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    times=st.lists(st.sampled_from([1.0, 1764412075.123456, 1764412075.1234562, 1764412076.5]), max_size=8),
    limit=st.integers(1, 4),
    data=st.data(),
)
def test_every_job_that_stays_is_on_one_page(
    ledger: Ledger, job_list: JobList, redis: Redis, times: list[float], limit: int, data: st.DataObject
) -> None:
    """Whatever records expire between the pages, also that of the job where one ends; times may be equal."""
    redis.flushdb()
    accepted = {opened(ledger, [1]): time for time in times}
    accept_at(redis, accepted)
    there, found, cursor = set(accepted), list[str](), None
    while True:
        page = job_list.page("local", limit, cursor)
        assert len(page.jobs) <= limit
        found += [job.id for job in page.jobs]
        if page.cursor is None:
            break
        cursor = page.cursor
        for job in data.draw(st.sets(st.sampled_from(sorted(accepted)))):
            there.discard(job)
            lose_record(redis, job)
    in_order = sorted(accepted, key=lambda job: (accepted[job], job), reverse=True)
    assert len(found) == len(set(found))
    assert found == [job for job in in_order if job in found]
    assert there <= set(found)


_TIMES = st.sampled_from([100.0, 1764412075.123456, 1764412075.1234562, 1764412075.123457, 1764412076.5])
_SEASONS = st.sampled_from([{}, {"season": "spring"}, {"season": "autumn", "shop": "Orléans"}])
_JOBS = st.lists(st.tuples(_TIMES, st.sampled_from([None, "Été", "ete 2", "Hiver"]), _SEASONS), max_size=8)
_FILTERS = st.builds(
    JobFilter,
    states=st.sampled_from([(), (JobState.QUEUED,), (JobState.CANCELLED, JobState.QUEUED)]),
    search=st.none() | st.sampled_from([Search("ete"), Search("orleans"), Search("2 été")]),
    pairs=st.sampled_from([(), ("season:spring",), ("shop:Orléans", "season:autumn")]),
    since=_TIMES | st.just(-math.inf),
    before=_TIMES | st.just(math.inf),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(jobs=_JOBS, wanted=_FILTERS, limit=st.integers(1, 4), looked_at=st.integers(1, 5), data=st.data())
def test_every_job_that_stays_wanted_is_on_one_page(
    ledger: Ledger,
    job_list: JobList,
    redis: Redis,
    jobs: list[tuple[float, str | None, dict[str, str]]],
    wanted: JobFilter,
    limit: int,
    looked_at: int,
    data: st.DataObject,
) -> None:
    """Whatever comes, is cancelled, or expires between the pages."""
    redis.flushdb()

    def accept(at: float, name: str | None, metadata: dict[str, str]) -> str:
        job = opened(ledger, [1], name=name, metadata=metadata)
        accept_at(redis, {job: at})
        return job

    facts = {accept(*job): job for job in jobs}
    there, found, cursor = set(facts), list[str](), None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JobList, "MOST_LOOKED_AT", looked_at)
        for _ in range(2 * len(facts) + 2):
            page = job_list.page("local", limit, cursor, wanted)
            assert len(page.jobs) <= limit
            found += [job.id for job in page.jobs]
            if page.cursor is None:
                break
            cursor = page.cursor
            for job in data.draw(st.sets(st.sampled_from(sorted(facts)))):
                there.discard(job)
                lose_record(redis, job)
            accept(1800000000.0, "Été 2", {"season": "spring"})  # newer than any other
        else:
            pytest.fail("the pages have no end")
    expected = {job for job, each in facts.items() if _is_wanted(wanted, *each)}
    in_order = sorted(expected, key=lambda job: (facts[job][0], job), reverse=True)
    new = [job for job in found if job not in facts]
    assert len(found) == len({*found})
    assert [job for job in found if job in facts] == [job for job in in_order if job in found]
    assert there & expected <= {*found}
    assert not new, "what came later is not on a later page"


def _is_wanted(wanted: JobFilter, at: float, name: str | None, metadata: dict[str, str]) -> bool:
    words = {None: "", "Été": "ete", "ete 2": "ete 2", "Hiver": "hiver"}[name] + " " + metadata.get("shop", "")
    texts = {"ete": ("ete",), "orleans": ("Orléans",), "2 été": ("2", "ete")}
    searched = wanted.search is None or all(text in words for text in texts[wanted.search.text])
    pairs = {*wanted.pairs} <= {f"{key}:{value}" for key, value in metadata.items()}
    micros = [-math.inf if time == -math.inf else round(time * 1e6) for time in (wanted.since, at)]
    soon_enough = wanted.before == math.inf or micros[1] < round(wanted.before * 1e6)
    return searched and pairs and micros[0] <= micros[1] and soon_enough


def test_long_metadata_end_a_page_early(ledger: Ledger, job_list: JobList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.ledger.job_list._AT_ONCE", 1)
    monkeypatch.setattr("shared.ledger.job_list._LOOKED_AT_BYTES", 1000)
    jobs = [opened(ledger, [1], metadata={"note": "a" * 600}) for _ in range(4)][::-1]
    found, cursor = list[list[str]](), None
    while not found or cursor:
        page = job_list.page("local", 10, cursor, JobFilter(search=Search("aaa")))
        cursor = page.cursor
        found.append([job.id for job in page.jobs])
    assert found == [jobs[:2], jobs[2:]]


def test_no_record_outside_the_range_is_read(ledger: Ledger, job_list: JobList, redis: Redis) -> None:
    old, middle, new = (opened(ledger, [1], name="Livre") for _ in range(3))
    accept_at(redis, {old: 100.0, middle: 200.0, new: 300.0})
    for job in (old, new):
        lose_record(redis, job)
    wanted = JobFilter(search=Search("livre"), since=150.0, before=250.0)
    assert [job.id for job in job_list.page("local", 10, None, wanted).jobs] == [middle]
    assert listed_jobs(redis) == [new, middle, old], "a record that is looked for and missing is removed"
    of_new = f"300.0~{new}"
    assert [job.id for job in job_list.page("local", 10, of_new, wanted).jobs] == [middle]
    assert job_list.page("local", 10, f"120.0~{old}", wanted).jobs == []


def test_reading_removes_what_has_expired(ledger: Ledger, job_list: JobList, redis: Redis) -> None:
    first, second, third = (opened(ledger, [1]) for _ in range(3))
    lose_record(redis, second)
    assert pages(job_list) == [[third, first]]
    assert listed_jobs(redis) == [third, first]
    lose_record(redis, third)
    lose_record(redis, first)
    assert pages(job_list) == [[]]
    assert listed_jobs(redis) == []


def test_a_list_that_nobody_reads_does_not_grow_without_end(ledger: Ledger, redis: Redis) -> None:
    old = [opened(ledger, [1]) for _ in range(20)]
    for job in old:
        lose_record(redis, job)
    for _ in range(10):
        opened(ledger, [1])
    assert len(listed_jobs(redis)) == 10
    assert not {*old} & {*listed_jobs(redis)}


def test_a_list_to_which_nothing_is_added_expires_after_its_last_record(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1], deadline_s=1000.5, keep_s=500, keep_record_s=100)
    assert 1601 < list_lasts(redis) <= 1601 + 600
    opened(ledger, [1], deadline_s=10, keep_s=20, keep_record_s=0)
    assert 1601 < list_lasts(redis) <= 1601 + 600, "an earlier job stays longer"


def test_without_the_list_of_a_release_before_new_jobs_are_listed(
    ledger: Ledger, job_list: JobList, redis: Redis
) -> None:
    before = opened(ledger, [1])
    forget_job_list(redis)
    assert pages(job_list) == [[]]
    job = opened(ledger, [1])
    assert pages(job_list) == [[job]]
    assert ledger.job(before).state is JobState.QUEUED


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "~",
        "1.0",
        "1.0~",
        f"1~{'0' * 24}",
        f"inf~{'0' * 24}",
        f"1.0~{'G' * 24}",
        f"-1.0~{'0' * 24}",
        f"²٣.0~{'0' * 24}",
    ],
)
def test_a_strange_cursor_is_refused(job_list: JobList, cursor: str) -> None:
    with pytest.raises(CursorError):
        job_list.page("local", 1, cursor)

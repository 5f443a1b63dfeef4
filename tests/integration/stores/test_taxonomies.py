"""The history of taxonomies and the one in force, with a real Redis and files."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from shared.stores.files import Files
from shared.stores.taxonomies import (
    LatestTaxonomy,
    OtherTaxonomyError,
    Taxonomies,
    TaxonomyStore,
    UnreadableTaxonomyError,
)
from shared.stores.taxonomy_in_force import CategoryState, InForce, PublishedBundle, PublishedTaxonomies
from shared.taxonomy import RAKUTEN, Taxonomy, read
from tests.redis_state import overtake_taxonomy_put, publish_unreadable_taxonomy

DAYS = 90


def taxonomy(*rows: str) -> Taxonomy:
    """Categories as `code,parent,moved_to,retired`; each is called like its code."""
    columns = ("code", "parent", "moved_to", "retired")
    cells = (dict(zip(columns, row.split(","), strict=False)) for row in rows)
    return read((*columns, "name"), enumerate(({"name": each["code"], **each} for each in cells), 2))


SHOES = taxonomy("SHOES", "BOOT,SHOES", "CLOG,SHOES")
MERGED = taxonomy("SHOES", "BOOT,SHOES", "CLOG,SHOES,BOOT")
BUNDLE = PublishedBundle("b1", SHOES, ("BOOT", "CLOG"))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return (tmp_path / "labels").as_uri()


@pytest.fixture
def taxonomies(redis: Redis, url: str) -> Taxonomies:
    return Taxonomies(redis, url)


@pytest.fixture
def published(redis: Redis) -> PublishedTaxonomies:
    return PublishedTaxonomies(redis, DAYS)


def put(taxonomies: Taxonomies, content: Taxonomy, replaces: int) -> int:
    return taxonomies.put(content, replaces=replaces, tenant="shop", key="k1", changes={"merged": 1}).number


def test_a_taxonomy_that_was_put_is_what_every_process_reads(taxonomies: Taxonomies, redis: Redis, url: str) -> None:
    other = Taxonomies(redis, url)
    assert taxonomies.latest() is None
    assert put(taxonomies, SHOES, 0) == 1
    assert put(other, MERGED, 1) == 2
    for process in (taxonomies, other, Taxonomies(redis, url)):
        latest = process.latest()
        assert latest is not None
        assert (latest.number, latest.taxonomy) == (2, MERGED)
        assert (latest.acceptance.tenant, latest.acceptance.key, latest.acceptance.changes) == (
            *("shop", "k1"),
            {"merged": 1},
        )


def test_history_lists_who_put_what_the_latest_first(taxonomies: Taxonomies) -> None:
    assert taxonomies.history(None, 10) == ([], None)
    for number in range(5):
        put(taxonomies, (SHOES, MERGED)[number % 2], number)
    page, following = taxonomies.history(None, 2)
    assert [(each.number, each.replaces) for each in page] == [(5, 4), (4, 3)]
    assert page[0].at > page[1].at
    rest, end = taxonomies.history(following, 10)
    assert ([each.number for each in rest], end) == ([3, 2, 1], None)
    assert taxonomies.history(99, 10) == ([], None)


def test_only_one_of_several_puts_that_replace_the_same_taxonomy_succeeds(redis: Redis, url: str) -> None:
    barrier, done, lock = threading.Barrier(8), list[int | None](), threading.Lock()

    def attempt() -> None:
        process = Taxonomies(redis, url)
        barrier.wait()
        try:
            number = put(process, SHOES, 0)
        except OtherTaxonomyError:
            number = None
        with lock:
            done.append(number)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [number for number in done if number is not None] == [1]
    assert list(TaxonomyStore(url).names()) == [1]


def test_the_copy_in_redis_is_made_again_from_the_files(taxonomies: Taxonomies, redis: Redis, url: str) -> None:
    put(taxonomies, SHOES, 0)
    put(taxonomies, MERGED, 1)
    redis.flushdb()
    latest = Taxonomies(redis, url).latest()
    assert latest is not None
    assert (latest.number, latest.taxonomy) == (2, MERGED)
    with pytest.raises(OtherTaxonomyError):
        put(taxonomies, SHOES, 0)
    assert put(taxonomies, SHOES, 2) == 3


def test_a_file_that_was_written_before_its_process_died_is_in_force_at_the_next_put(
    taxonomies: Taxonomies, url: str
) -> None:
    put(taxonomies, SHOES, 0)
    first = taxonomies.latest()
    assert first is not None
    TaxonomyStore(url).write(replace(first, acceptance=replace(first.acceptance, number=2, replaces=1)))
    with pytest.raises(OtherTaxonomyError):
        put(taxonomies, MERGED, 1)
    latest = taxonomies.latest()
    assert latest is not None
    assert latest.number == 2


def test_a_put_that_was_overtaken_is_no_part_of_the_history(taxonomies: Taxonomies, redis: Redis, url: str) -> None:
    put(taxonomies, SHOES, 0)
    first = taxonomies.latest()
    assert first is not None
    overtake_taxonomy_put(redis)
    assert put(taxonomies, MERGED, 1) == 3
    TaxonomyStore(url).write(replace(first, acceptance=replace(first.acceptance, number=2, replaces=1)))
    assert put(taxonomies, SHOES, 3) == 4
    assert [each.number for each in taxonomies.history(None, 10)[0]] == [4, 3, 1]


def test_a_damaged_file_is_named_and_the_last_known_taxonomy_stays(
    taxonomies: Taxonomies, redis: Redis, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(taxonomies, SHOES, 0)
    assert taxonomies.latest() is not None
    Files(url).write(f"{Files(url).root}/taxonomies/00000002-{'0' * 16}.json", b'{"categories": 1}')
    redis.flushdb()
    latest = taxonomies.latest()
    assert latest is not None
    assert latest.number == 1
    assert f"00000002-{'0' * 16}.json is no taxonomy" in caplog.text
    with pytest.raises(UnreadableTaxonomyError):
        put(taxonomies, MERGED, 1)
    assert Taxonomies(redis, url).latest() is None


def test_workers_follow_redis_alone(redis: Redis, url: str, tmp_path: Path) -> None:
    api, elsewhere, worker = Taxonomies(redis, url), (tmp_path / "other").as_uri(), LatestTaxonomy(redis)
    assert worker.read() is None
    put(api, SHOES, 0)
    known = worker.read()
    assert known is not None
    assert (known.number, known.taxonomy) == (1, SHOES)

    redis.flushdb()
    assert worker.read() is known
    assert redis.keys() == [], "a worker writes nothing"
    assert LatestTaxonomy(redis).read() is None
    latest = api.latest()
    assert latest is not None
    assert latest.number == 1
    put(api, MERGED, 1)
    for process in (worker, LatestTaxonomy(redis)):
        latest = process.read()
        assert latest is not None
        assert (latest.number, latest.taxonomy) == (2, MERGED)
    redis.flushdb()
    assert Taxonomies(redis, elsewhere).latest() is None, "the API that owns the store may say that there is none"
    assert worker.read() is None


def test_an_api_that_starts_tells_redis_the_latest_taxonomy_again(redis: Redis, url: str) -> None:
    put(Taxonomies(redis, url), SHOES, 0)
    redis.flushdb()
    Taxonomies(redis, url).restore()
    latest = LatestTaxonomy(redis).read()
    assert latest is not None
    assert latest.taxonomy == SHOES


def test_the_taxonomy_in_force_is_that_of_the_bundle_until_somebody_puts_one(
    taxonomies: Taxonomies, published: PublishedTaxonomies, redis: Redis, url: str
) -> None:
    in_force = InForce(Taxonomies(redis, url), PublishedTaxonomies(redis, DAYS))
    assert (in_force.now().taxonomy, in_force.now().bundle) == (RAKUTEN, None)
    published.publish(BUNDLE, taken_over=True)
    assert (in_force.now().taxonomy, in_force.now().bundle, in_force.now().number) == (SHOES, "b1", 0)
    put(taxonomies, MERGED, 0)
    assert (in_force.now().taxonomy, in_force.now().bundle, in_force.now().number) == (MERGED, "b1", 1)
    assert in_force.now() is in_force.now()


def test_the_bundle_in_service_is_the_one_that_was_taken_over_last(
    published: PublishedTaxonomies, redis: Redis
) -> None:
    later = PublishedBundle("b2", MERGED, ("BOOT",))
    published.publish(BUNDLE)
    published.publish(later, taken_over=True)
    published.publish(BUNDLE)  # a worker that has not changed over yet
    assert PublishedTaxonomies(redis, DAYS).served() == later
    published.publish(BUNDLE, taken_over=True)
    assert PublishedTaxonomies(redis, DAYS).served() == BUNDLE


def test_what_another_release_published_does_no_harm(published: PublishedTaxonomies, redis: Redis) -> None:
    publish_unreadable_taxonomy(redis, "b9")
    assert published.served() is None


def test_states_follow_the_taxonomy_and_what_the_model_answers(
    taxonomies: Taxonomies, published: PublishedTaxonomies
) -> None:
    published.publish(BUNDLE, taken_over=True)
    content = taxonomy("SHOES", "BOOT,SHOES", "CLOG,SHOES,SANDAL", "SANDAL,SHOES", "SOCK,SHOES", "OLD,,,yes")
    put(taxonomies, content, 0)
    now = InForce(taxonomies, published).now()
    assert {category.code: now.state(category.code) for category in now.taxonomy.categories} == {
        "SHOES": CategoryState.GROUP,
        "BOOT": CategoryState.SERVED,
        "CLOG": CategoryState.MERGED,
        "SANDAL": CategoryState.SERVED,
        "SOCK": CategoryState.UNTRAINED,
        "OLD": CategoryState.RETIRED,
    }
    with pytest.raises(KeyError):
        now.state("unknown")

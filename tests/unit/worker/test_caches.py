"""Predictions kept in a real Redis, by several threads and workers."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import Redis

from shared.ledger import Guess, ItemStatus, Outcome, PictureUse, QueuedItem
from shared.model.projection import Projection
from shared.settings import Settings
from shared.stores.opening import open_redis
from shared.taxonomy import RAKUTEN, Taxonomy
from stack.processes import free_port
from worker.classify.caches import CachedAnswer, PredictionCache, prediction_key
from worker.classify.caches.predictions import pack, unpack

ITEM = QueuedItem(7, "sku-7", "Lampe", "En bois", blob="ab" * 32)
CURRENT, PREVIOUS = (f"catalog:cache:predictions:{generation}" for generation in ("current", "previous"))

CODES = tuple(leaf.code for leaf in RAKUTEN.leaves)
PROJECTION = Projection(CODES, RAKUTEN)
_SHARES = st.integers(0, 10_000).map(lambda places: places / 10_000)
_GUESSES = st.builds(Guess, st.sampled_from(CODES), _SHARES)


@st.composite
def _answers(draw: st.DrawFn) -> CachedAnswer:
    guesses = tuple(draw(st.lists(_GUESSES, max_size=4)))
    above = RAKUTEN.path(guesses[0].code)[:-1] if guesses else ()
    return CachedAnswer(
        guesses=guesses,
        needs_review=draw(st.booleans()),
        path=tuple(Guess(category.code, draw(_SHARES)) for category in above),
        sure=draw(st.integers(0, 2)),
        text=draw(st.none() | _GUESSES),
        image=draw(st.none() | _GUESSES),
        weights=draw(st.none() | st.tuples(_SHARES, _SHARES)),
        not_looked_at=draw(st.booleans()),
        look=draw(st.sampled_from([0, 1, 2**64 - 1])),
    )


def key(number: int) -> bytes:
    return number.to_bytes(16)


def outcome(number: int) -> Outcome:
    """A different one for each number up to 10,000."""
    guesses = (Guess("10", number / 10_000), Guess("40", 0.1))
    return Outcome(number, f"sku-{number}", guesses=guesses, path=(Guess("books", 0.9),), sure=1, weights=(1.0, 0.0))


def answer(number: int) -> CachedAnswer:
    return CachedAnswer.of(outcome(number))


@given(_answers())
def test_packed_answers_are_unpacked_unchanged(answer: CachedAnswer) -> None:
    packed = pack(answer, PROJECTION)
    assert unpack(packed, PROJECTION) == answer
    assert len(packed) <= 39 + 2 * len(answer.path) + 8 * bool(answer.look)


@given(_answers(), st.data())
def test_changed_bytes_are_refused_by_unpack(answer: CachedAnswer, data: st.DataObject) -> None:
    packed = bytearray(pack(answer, PROJECTION))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="checksum"):
        unpack(bytes(packed), PROJECTION)


def test_prediction_key_depends_only_on_what_an_answer_depends_on() -> None:
    def named(
        item: QueuedItem = ITEM,
        bundle: str = "v1",
        runtime: str = "openvino bf16",
        taxonomy: str = "a",
        pictures: PictureUse = PictureUse.WHEN_NEEDED,
        tenant: str = "",
    ) -> bytes:
        return prediction_key(bundle, runtime, taxonomy, pictures, item, tenant)

    assert named(replace(ITEM, index=0, id="other")) == named()
    others = [
        named(bundle="v2"),
        named(taxonomy="b"),
        named(runtime="openvino f32"),
        named(tenant="acme"),
        named(pictures=PictureUse.ALWAYS),
        named(replace(ITEM, title="Lampe ")),
        named(replace(ITEM, title=None)),
        named(replace(ITEM, title="LampeEn bois", description="")),
        named(replace(ITEM, blob="cd" * 32)),
        named(replace(ITEM, blob=None)),
    ]
    assert len({named(), *others}) == len(others) + 1


def test_an_answer_is_not_read_with_other_categories() -> None:
    """The key keeps them apart; where it did not, no path of another length and no code beyond the last one is told."""
    packed = pack(answer(1), PROJECTION)
    for others in (Projection(["10", "40"], Taxonomy(())), Projection(["2583"], RAKUTEN)):
        with pytest.raises(ValueError, match="other categories"):
            unpack(packed, others)


def test_cached_predictions_are_shared_and_marked_as_cached(redis: Redis) -> None:
    PredictionCache(redis, 100).put({key(1): outcome(1), key(2): outcome(2)}, PROJECTION)
    found = PredictionCache(redis, 100).get([key(2), key(3), key(1)], PROJECTION)
    assert found == [answer(2), None, answer(1)]
    assert found[0] is not None
    again = found[0].outcome(ITEM)
    assert again == replace(outcome(2), index=ITEM.index, id=ITEM.id, cached=True)


def test_failures_and_cached_answers_are_not_cached(redis: Redis) -> None:
    cache = PredictionCache(redis, 100)
    cache.put(
        {key(1): Outcome.failed(ITEM, "image_unreachable", "…"), key(2): replace(outcome(2), cached=True)}, PROJECTION
    )
    cache.put({key(3): Outcome(3, "sku-3", ItemStatus.EXPIRED)}, PROJECTION)
    assert list(redis.scan_iter("catalog:cache:*")) == []


class PredictionMachine(RuleBasedStateMachine):
    """Two workers' caches over one Redis; keys come again and again."""

    client: Redis
    keys = st.integers(0, 30)
    workers = st.sampled_from((0, 1))

    @initialize(share=st.integers(1, 6), odd=st.booleans())
    def start(self, share: int, odd: bool) -> None:
        self.client.flushdb()
        self.share, self.limit = share, 2 * share + odd
        self.caches = [PredictionCache(self.client, self.limit) for _ in range(2)]
        self.latest: list[int] = []

    @rule(numbers=st.lists(keys, min_size=1, max_size=8, unique=True), worker=workers)
    def put(self, numbers: list[int], worker: int) -> None:
        self.caches[worker].put({key(number): outcome(number) for number in numbers}, PROJECTION)
        self._used(numbers)

    @rule(number=keys, worker=workers)
    def get(self, number: int, worker: int) -> None:
        (found,) = self.caches[worker].get([key(number)], PROJECTION)
        if number in self.latest[-self.share :]:
            assert found is not None
        if found is not None:
            assert found == answer(number)
            self._used([number])

    @rule(numbers=st.lists(keys, min_size=1, max_size=20), worker=workers)
    def get_many(self, numbers: list[int], worker: int) -> None:
        found = self.caches[worker].get([key(number) for number in numbers], PROJECTION)
        assert all(found in (answer(number), None) for number, found in zip(numbers, found, strict=True))
        self.latest = []  # which of them counts as the last is not said

    @rule(worker=workers)
    def trim(self, worker: int) -> None:
        assert self.caches[worker].trim() == 0

    @invariant()
    def it_is_bounded(self) -> None:
        assert self.client.hlen(CURRENT) + self.client.hlen(PREVIOUS) <= self.limit

    def _used(self, numbers: list[int]) -> None:
        self.latest = [number for number in self.latest if number not in numbers] + numbers


def test_any_interleaving_keeps_the_latest_half_and_the_bound(redis: Redis) -> None:
    PredictionMachine.client = redis
    chosen = settings(max_examples=60, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(PredictionMachine, settings=chosen)


def test_prediction_cache_works_with_many_threads(redis: Redis) -> None:
    cache = PredictionCache(redis, 60)

    def work(seed: int) -> None:
        numbers = np.random.default_rng(seed).permutation(100).tolist()
        for start in range(0, 100, 10):
            chunk = numbers[start : start + 10]
            cache.put({key(number): outcome(number) for number in chunk}, PROJECTION)
            assert redis.hlen(CURRENT) <= 30
            assert redis.hlen(PREVIOUS) <= 30
            found = cache.get([key(number) for number in numbers], PROJECTION)
            assert all(found in (answer(number), None) for number, found in zip(numbers, found, strict=True))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(16)))


def test_a_lower_limit_holds_once_the_cache_is_trimmed(redis: Redis) -> None:
    PredictionCache(redis, 100).put({key(number): outcome(number) for number in range(80)}, PROJECTION)
    assert (redis.hlen(PREVIOUS), redis.hlen(CURRENT)) == (50, 30)
    assert PredictionCache(redis, 60).trim() == 50
    assert PredictionCache(redis, 60).get([key(79)], PROJECTION) == [answer(79)]
    assert PredictionCache(redis, 0).trim() == 30
    assert list(redis.scan_iter("catalog:cache:*")) == []


def test_disabled_prediction_cache_holds_nothing(redis: Redis) -> None:
    PredictionCache(redis, 100).put({key(1): outcome(1)}, PROJECTION)
    off = PredictionCache(redis, 0)
    off.put({key(2): outcome(2)}, PROJECTION)
    assert off.get([key(1), key(2)], PROJECTION) == [None, None]
    assert PredictionCache(redis, 100).get([key(1), key(2)], PROJECTION) == [answer(1), None]


def test_garbage_is_a_miss_with_a_line_in_the_log(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    cache = PredictionCache(redis, 100)
    cache.put({key(number): outcome(number) for number in range(4)}, PROJECTION)
    redis.hset(CURRENT, mapping={key(0): b"", key(1): b"\0" * 4, key(2): b"garbage of some length"})
    assert cache.get([key(number) for number in range(4)], PROJECTION) == [None, None, None, answer(3)]
    assert caplog.text.count("cannot be read") == 3
    redis.set(CURRENT, "no hash at all")
    assert cache.get([key(3)], PROJECTION) == [None]
    cache.put({key(3): outcome(3)}, PROJECTION)
    assert "predictions are not cached" in caplog.text


def test_a_redis_that_is_away_is_a_miss_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    away = open_redis(Settings(redis_url=f"redis://127.0.0.1:{free_port()}"))
    cache = PredictionCache(away, 100)
    assert cache.get([key(1), key(2)], PROJECTION) == [None, None]
    cache.put({key(1): outcome(1)}, PROJECTION)
    assert "no cached predictions, 2 items are computed" in caplog.text
    assert "predictions are not cached" in caplog.text

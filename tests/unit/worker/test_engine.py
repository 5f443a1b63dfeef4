"""The micro-batcher over a real bundle."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shared.ledger import ItemStatus, Outcome, PictureUse, QueuedItem
from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.cascade import Cascade
from shared.model.fusion import Probabilities
from shared.model.images import MAX_PIXELS, Pixels
from shared.model.review import Review
from shared.model.runtimes import Features, Runtime
from shared.settings import Settings
from shared.stores.blobs import Blobs
from tests.conftest import Trained
from tests.pictures import jpeg
from tests.waiting import wait_for
from worker.classify.classification import Classifier
from worker.classify.picture_source import PictureSource
from worker.classify.pictures import Pictures
from worker.classify.projections import Projections
from worker.serving.batching import Priority
from worker.serving.engine import MAX_TEXTS, Engine

BULK, URGENT = Priority.BULK, Priority.URGENT
MICRO_BATCH = 4


class Watched:
    """The real runtime; it notes each batch's pictures by their shade, and can be held up, or told to fail."""

    def __init__(self, runtime: Runtime) -> None:
        self.name = runtime.name
        self.batches: list[list[int]] = []
        self.texts: list[tuple[int, ...]] = []
        self.go = threading.Event()
        self.go.set()
        self.broken = False
        self._runtime = runtime

    def features(self, pixels: Pixels) -> Features:
        self.go.wait()
        self.batches.append(pixels[:, 0, 0, 0].tolist())
        return self._runtime.features(pixels)

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        if self.broken:
            raise MemoryError("out of memory")
        self.texts.append(tokens.shape)
        return self._runtime.text(tokens)

    def image(self, features: Features) -> Probabilities:
        return self._runtime.image(features)


@pytest.fixture
def runtime(trained: Trained) -> Watched:
    return Watched(runtimes.load(trained.bundle, "openvino"))


@pytest.fixture
def engine(trained: Trained, runtime: Watched) -> Iterator[Engine]:
    engine = Engine(trained.bundle, runtime, MICRO_BATCH)
    yield engine
    runtime.go.set()
    engine.close()


@pytest.fixture
def picture(trained: Trained) -> Callable[[int], Pixels]:
    size = trained.bundle.manifest.image_size
    return lambda shade: np.full((size, size, 3), shade, np.uint8)


Picture = Callable[[int], Pixels]


def _note(order: list[str], name: str, _: object) -> None:
    order.append(name)


def test_an_urgent_item_overtakes_bulk_at_the_next_micro_batch(
    engine: Engine, runtime: Watched, picture: Picture
) -> None:
    order: list[str] = []
    runtime.go.clear()
    bulk = [engine.pictures([picture(i)], BULK) for i in range(24)]
    for number, future in enumerate(bulk):
        future.add_done_callback(partial(_note, order, f"bulk {number}"))
    urgent = engine.pictures([picture(255)], URGENT)
    urgent.add_done_callback(partial(_note, order, "urgent"))
    runtime.go.set()
    for future in (*bulk, urgent):
        future.result(60)
    assert order.index("urgent") <= MICRO_BATCH
    assert [255] in runtime.batches, "it is computed alone, not in a batch filled up with bulk"
    assert [name for name in order if name != "urgent"] == [f"bulk {i}" for i in range(24)]


def test_batches_form_across_callers_and_are_bounded(engine: Engine, runtime: Watched, picture: Picture) -> None:
    runtime.go.clear()
    with ThreadPoolExecutor(8) as callers:
        futures = list(callers.map(lambda i: engine.pictures([picture(i)]), range(30)))
    runtime.go.set()
    for future in futures:
        future.result(60)
    sizes = [len(batch) for batch in runtime.batches]
    assert sum(sizes) == 30
    assert max(sizes) == MICRO_BATCH
    assert len(sizes) <= 9, "they are filled as far as there is something to fill them with"


def test_full_queue_blocks_bulk_requests_but_not_urgent_ones(
    engine: Engine, runtime: Watched, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.close()
    monkeypatch.setattr("worker.serving.engine._WAITING", 5)
    bounded = Engine(engine.bundle, runtime, MICRO_BATCH)
    runtime.go.clear()
    accepted: list[int] = []

    def submit() -> None:
        for number in range(20):
            bounded.pictures([picture(0)])
            accepted.append(number)

    with ThreadPoolExecutor(1) as caller:
        submitted = caller.submit(submit)
        wait_for("the queue is full", lambda: len(accepted) >= 5)
        urgent = bounded.pictures([picture(255)], URGENT)
        # At most one micro-batch is being computed, and five inputs wait.
        assert len(accepted) <= MICRO_BATCH + 5
        runtime.go.set()
        submitted.result(60)
    urgent.result(60)
    bounded.close()


def test_texts_of_like_length_are_computed_together(engine: Engine, runtime: Watched) -> None:
    short, long = engine.encoder.ids(["jouet"]), engine.encoder.ids(["jouet"] * 20)
    texts = [short] * 8 + [long]
    together = engine.texts(texts).result(60)
    assert sorted(shape[:2] for shape in runtime.texts) == [(1, 24), (8, 8)]
    alone = np.concatenate([engine.texts([text]).result(60) for text in texts])
    assert together == pytest.approx(alone, abs=0.02)
    assert engine.texts([]).result(60).shape == (0, len(engine.bundle.manifest.labels))


def test_known_features_give_the_answer_that_the_picture_gave(engine: Engine, picture: Picture) -> None:
    computed = engine.pictures([picture(9), picture(200)]).result(60)
    known = engine.known_pictures(list(computed.features.astype(np.float16))).result(60)
    assert known.probabilities == pytest.approx(computed.probabilities, abs=1e-6)


def test_failing_batch_raises_for_its_callers_only(engine: Engine, runtime: Watched) -> None:
    jouet = engine.encoder.ids(["jouet"])
    runtime.broken = True
    with pytest.raises(MemoryError):
        engine.texts([jouet]).result(60)
    runtime.broken = False
    assert engine.texts([jouet]).result(60).sum() == pytest.approx(1, abs=1e-3)


def test_closing_computes_what_was_submitted(trained: Trained, runtime: Watched) -> None:
    engine = Engine(trained.bundle, runtime, MICRO_BATCH)
    futures = [engine.texts([engine.encoder.ids(["jouet"])]) for _ in range(50)]
    engine.close()
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError, match="closed"):
        engine.texts([])


def test_the_warm_up_measures_the_micro_batch_unless_it_is_given(trained: Trained, runtime: Watched) -> None:
    measured, given = Engine(trained.bundle, runtime), Engine(trained.bundle, runtime, MICRO_BATCH)
    for engine in (measured, given):
        engine.warm_up()
        engine.close()
    assert measured.micro_batch in {len(batch) for batch in runtime.batches}
    assert given.micro_batch == MICRO_BATCH
    assert measured.pictures_per_s
    assert given.pictures_per_s


def test_pictures_that_take_long_are_not_measured_together(
    trained: Trained, runtime: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.serving.engine._LONG_ENOUGH_S", 0.0)
    engine = Engine(trained.bundle, runtime)
    engine.warm_up()
    engine.close()
    assert {len(batch) for batch in runtime.batches} == {engine.micro_batch} == {1}


def test_warm_up_takes_measurements_over_from_the_same_backbone(trained: Trained, runtime: Watched) -> None:
    serving, coming = Engine(trained.bundle, runtime, MICRO_BATCH), Engine(trained.bundle, runtime)
    serving.warm_up()
    runtime.batches.clear()
    coming.warm_up(like=serving)
    assert [len(batch) for batch in runtime.batches] == [MICRO_BATCH]
    assert (coming.micro_batch, coming.pictures_per_s) == (MICRO_BATCH, serving.pictures_per_s)
    for engine in (serving, coming):
        engine.close()


@pytest.fixture
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[PictureSource, Blobs]:
    blobs = Blobs(tmp_path_factory.mktemp("blobs").as_uri())
    return PictureSource(Settings(), blobs), blobs


def classifier(engine: Engine, sources: PictureSource, max_pixels: int = MAX_PIXELS) -> Classifier:
    return Classifier(engine, Pictures(engine, sources, max_pixels, features=None), Projections(engine.bundle))


def test_a_chunk_gives_one_outcome_per_item_in_order(engine: Engine, sources: tuple[PictureSource, Blobs]) -> None:
    stored = sources[1].put(jpeg())
    items = [
        QueuedItem(7, "picture", blob=stored),
        QueuedItem(8, "lost", title="x", blob="0" * 64),
        QueuedItem(9, "private", url="http://127.0.0.1:9/x.jpg"),
        QueuedItem(10, "text", title="Console"),
    ]
    with ThreadPoolExecutor(2) as pool:
        outcomes = classifier(engine, sources[0]).chunk(items, pool, BULK)
    assert [outcome.index for outcome in outcomes] == [7, 8, 9, 10]
    assert [outcome.error for outcome in outcomes] == [None, "image_lost", "image_unreachable", None]
    assert [guess.confidence for guess in outcomes[3].guesses] == sorted(
        (guess.confidence for guess in outcomes[3].guesses), reverse=True
    )


def test_an_explanation_says_what_each_word_adds_to_the_lead(
    engine: Engine, sources: tuple[PictureSource, Blobs]
) -> None:
    stored = sources[1].put(jpeg())
    items = [
        QueuedItem(0, "text", title="Console de jeux"),
        QueuedItem(1, "one word", title="Piscine"),
        QueuedItem(2, "both", title="Livre ancien", description="relié", blob=stored),
        QueuedItem(3, "picture", title="!", blob=stored),
        QueuedItem(4, "long", title="livre " * 60),
        QueuedItem(5, "lost", title="x", blob="0" * 64),
    ]
    classify = classifier(engine, sources[0])
    with ThreadPoolExecutor(2) as pool:
        plain = classify.chunk(items, pool, BULK)
        outcomes = classify.chunk(items, pool, BULK, explain=True)
    assert [replace(outcome, explanation=None) for outcome in outcomes] == plain
    assert outcomes[5].explanation is None
    read = [outcome.explanation.words for outcome in outcomes if outcome.explanation is not None]
    longest = ("livre",) * engine.encoder.max_words
    assert read == [("console", "de", "jeux"), ("piscine",), ("livre", "ancien", "relie"), (), longest]
    compared = 0
    for item, outcome in zip(items[:3], outcomes, strict=False):
        assert outcome.explanation is not None
        first, second = outcome.guesses[:2]
        for place, effect in enumerate(outcome.explanation.effects):
            rest = [word for at, word in enumerate(outcome.explanation.words) if at != place]
            without = classify.item(QueuedItem(0, "without", " ".join(rest), blob=item.blob), BULK)
            left = {guess.code: guess.confidence for guess in without.guesses}
            if not left or {first.code, second.code} <= left.keys():
                lead = np.log(left[first.code] / left[second.code]) if left else 0.0
                # Confidences are rounded to four places, which is much of a small one.
                assert effect == pytest.approx(np.log(first.confidence / second.confidence) - lead, abs=0.05), item.id
                compared += 1
    assert compared >= 4


def test_an_outcome_below_the_bundles_threshold_needs_review(
    trained: Trained, runtime: Watched, sources: tuple[PictureSource, Blobs]
) -> None:
    items = [QueuedItem(index, title, title=title) for index, title in enumerate(("Piscine", "zzz", "Livre"))]

    def outcomes(threshold: float | None) -> list[Outcome]:
        review = Review(threshold=threshold, precision=0.95, coverage=0.5)
        manifest = trained.bundle.manifest.model_copy(update={"review": review})
        engine = Engine(Bundle(trained.bundle.folder, manifest), runtime, MICRO_BATCH)
        with ThreadPoolExecutor(2) as pool:
            classified = classifier(engine, sources[0]).chunk(items, pool, BULK)
        engine.close()
        return classified

    unsure = outcomes(None)
    assert all(outcome.needs_review for outcome in unsure), "no confidence is enough"
    lowest, middle, _ = sorted(outcome.guesses[0].confidence for outcome in unsure)
    assert lowest < middle
    assert sorted(o.guesses[0].confidence for o in outcomes(middle) if o.needs_review) == [lowest]


def test_a_picture_of_too_many_pixels_has_an_error_of_its_own(
    engine: Engine, sources: tuple[PictureSource, Blobs]
) -> None:
    large = QueuedItem(0, "large", title="Piscine", blob=sources[1].put(jpeg(size=(100, 100))))
    outcome = classifier(engine, sources[0], max_pixels=9_999).item(large, BULK)
    assert (outcome.status, outcome.error) == (ItemStatus.FAILED, "image_too_large")
    assert "9,999" in (outcome.message or "")


def test_failing_engine_fails_the_chunk_not_its_items(
    engine: Engine, runtime: Watched, sources: tuple[PictureSource, Blobs]
) -> None:
    runtime.broken = True
    with ThreadPoolExecutor(2) as pool, pytest.raises(MemoryError):
        classifier(engine, sources[0]).chunk([QueuedItem(0, "a", title="Console")], pool, BULK)


@pytest.fixture
def cascading(trained: Trained, runtime: Watched) -> Iterator[Engine]:
    """An engine whose model does not look at the picture of an item whose text is sure at all."""
    cascade = Cascade(threshold=0.0, text=1.0, loss=0.0, skipped=1.0)
    manifest = trained.bundle.manifest.model_copy(update={"cascade": cascade})
    engine = Engine(Bundle(trained.bundle.folder, manifest), runtime, MICRO_BATCH)
    yield engine
    engine.close()


def test_where_the_text_is_sure_the_picture_is_neither_computed_nor_fetched(
    cascading: Engine, runtime: Watched, sources: tuple[PictureSource, Blobs]
) -> None:
    stored = sources[1].put(jpeg())
    items = [
        QueuedItem(0, "both", title="Piscine", blob=stored),
        QueuedItem(1, "picture", blob=stored),
        QueuedItem(2, "behind a link", title="Piscine", url="http://127.0.0.1:9/x.jpg"),
        QueuedItem(3, "text", title="Piscine"),
        QueuedItem(4, "no words", title="!", blob=stored),
    ]
    with ThreadPoolExecutor(2) as pool:
        outcomes = classifier(cascading, sources[0]).chunk(items, pool, BULK)
    assert [outcome.status for outcome in outcomes] == [ItemStatus.SUCCEEDED] * 5
    assert [outcome.not_looked_at for outcome in outcomes] == [True, False, True, False, False]
    assert [outcome.image is not None for outcome in outcomes] == [False, True, False, False, True]
    assert sum(map(len, runtime.batches)) == 2
    assert outcomes[0].guesses == outcomes[2].guesses


def test_a_job_may_have_every_picture_looked_at(
    cascading: Engine, engine: Engine, sources: tuple[PictureSource, Blobs]
) -> None:
    item = QueuedItem(0, "both", title="Piscine", blob=sources[1].put(jpeg()))
    looked_at = classifier(cascading, sources[0]).item(item, BULK, PictureUse.ALWAYS)
    assert not looked_at.not_looked_at
    assert looked_at == classifier(engine, sources[0]).item(item, BULK), "as by a model without a cascade"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<html>no picture</html>", "image_unreadable"),
        (b"\xff\xd8\xff", "image_unreadable"),
        (jpeg(size=(100, 101)), "image_too_large"),
    ],
)
def test_a_file_that_is_no_picture_is_told_though_nobody_looks_at_it(
    cascading: Engine, sources: tuple[PictureSource, Blobs], data: bytes, error: str
) -> None:
    item = QueuedItem(0, "broken", title="Piscine", blob=sources[1].put(data))
    outcome = classifier(cascading, sources[0], max_pixels=10_000).item(item, BULK)
    assert (outcome.status, outcome.error) == (ItemStatus.FAILED, error)
    everything = classifier(cascading, sources[0], max_pixels=10_000).item(item, BULK, PictureUse.ALWAYS)
    assert (everything.error, everything.message) == (outcome.error, outcome.message)


def test_a_lost_picture_fails_its_item_though_nobody_looks_at_it(
    cascading: Engine, sources: tuple[PictureSource, Blobs]
) -> None:
    lost = QueuedItem(0, "lost", title="Piscine", blob="0" * 64)
    assert classifier(cascading, sources[0]).item(lost, BULK).error == "image_lost"


def test_texts_overtake_pictures_and_never_leave_them_waiting(
    engine: Engine, runtime: Watched, picture: Picture
) -> None:
    order: list[str] = []
    word = [engine.encoder.ids(["jouet"])]
    runtime.go.clear()
    first = engine.pictures([picture(0)])  # held up, while the others are submitted
    wait_for("the thread is held up", lambda: engine_is_busy(engine))
    submitted: list[Future[Any]] = []
    for number in range(3):
        submitted.append(engine.pictures([picture(number)] * MICRO_BATCH))
        submitted[-1].add_done_callback(partial(_note, order, "pictures"))
    for _ in range(3):
        submitted.append(engine.texts(word * MAX_TEXTS))
        submitted[-1].add_done_callback(partial(_note, order, "texts"))
    runtime.go.set()
    for future in (first, *submitted):
        future.result(60)
    assert order == ["texts", "pictures"] * 3


def engine_is_busy(engine: Engine) -> bool:
    return engine._computing.locked()

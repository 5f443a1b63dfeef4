"""What teaches the LSTM: word vectors, the linear model, and the order in which it reads."""

import keras
import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from shared.model.text import PADDING, TextEncoder
from shared.pipeline.params import load_params
from shared.taxonomy import RAKUTEN
from tests.rakuten import CODES
from training.fit.embeddings import pretrained
from training.fit.image import fit_image
from training.fit.teacher import teach
from training.fit.text import by_length
from training.pipeline.categories import Categories
from training.pipeline.prepared import Items

FRUIT, TOOLS = ["pomme", "poire", "cerise", "prune"], ["marteau", "scie", "pince", "tournevis"]


def sentences(count: int, seed: int) -> tuple[list[list[str]], npt.NDArray[np.int64]]:
    """Texts about fruit (class 0) or tools (class 1), each with filler."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 2, count)
    texts = [
        [*random.choice([FRUIT, TOOLS][label], 2).tolist(), *random.choice(["lot", "de", "grand"], 2).tolist()]
        for label in classes
    ]
    return texts, classes


def test_words_that_share_their_neighbours_get_similar_vectors() -> None:
    texts, _ = sentences(400, seed=1)
    params = load_params().train.text.model_copy(update={"embedding": 6})
    encoder = TextEncoder.fit(texts, max_words=8, max_subwords=12, size=500, min_count=1)
    table = pretrained(texts, encoder, params, seed=1)
    assert table.shape == (encoder.size, 6)
    assert (table[PADDING] == 0).all()

    def vector(word: str) -> npt.NDArray[np.float32]:
        own, *grams = encoder.word(word)
        composed = table[own] + table[[gram for gram in grams if gram != PADDING]].mean(axis=0)
        return np.asarray(composed / np.linalg.norm(composed))

    alike, unlike = vector("pomme") @ vector("cerise"), vector("pomme") @ vector("marteau")
    assert alike > unlike + 0.2


def test_the_linear_teacher_gives_right_probabilities_out_of_fold() -> None:
    texts, classes = sentences(120, seed=2)
    others, truth = sentences(40, seed=3)
    known, guessed = (found.dense(slice(None)) for found in teach(texts, classes, others, width=27, seed=1))
    assert known.shape == (120, 27)
    assert np.allclose(known.sum(axis=1), 1, atol=1e-5)
    assert (known.argmax(axis=1) == classes).mean() > 0.95
    assert (guessed.argmax(axis=1) == truth).mean() > 0.95


def test_the_linear_teacher_judges_no_text_it_was_fitted_on() -> None:
    texts, classes = sentences(100, seed=4)
    texts[7] = ["unique"]
    known = teach(texts, classes, [], width=2, seed=1)[0].dense(slice(None))
    assert known[7].max() < known[np.arange(100) != 7].max(axis=1).mean()


@given(st.lists(st.integers(0, 48), min_size=1, max_size=300), st.integers(1, 40))
def test_an_epoch_reads_each_text_once_in_batches_of_similar_length(lengths: list[int], size: int) -> None:
    batches = by_length(np.array(lengths), size, np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    assert all(0 < len(batch) <= size for batch in batches)


def test_pictures_that_are_all_the_same_make_no_signal_of_rounding() -> None:
    """A shop's placeholder: the features' variance is zero, and a network would divide by it."""
    keras.utils.set_random_seed(5)
    rows = np.arange(40)
    features = np.abs(np.random.default_rng(5).normal(30, 20, (1, 64))).astype(np.float16).repeat(40, axis=0)
    items = Items(rows, rows.astype(np.uint64), [[]] * 40, features, rows % 3, Categories(RAKUTEN, CODES[:3]))
    params = load_params().train.image.model_copy(update={"epochs": 1, "units": 8})
    network, _ = fit_image(items, items, params, seed=1)
    answers = network.predict_on_batch(np.stack([features[0], features[0] * np.float16(1.002)]).astype(np.float32))
    assert np.abs(answers[0] - answers[1]).max() < 0.05

"""Which words of a text carry an answer."""

import csv
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.model.explanation import effects, named, without_each
from shared.model.fusion import Probabilities
from shared.settings import ROOT
from shared.words import words
from training.sample.catalogue import generate

EFFECTS = arrays.arrays(np.float32, st.integers(0, 48), elements=st.floats(-8, 8, width=32))


@given(EFFECTS)
def test_a_quarter_of_the_words_is_named_once_each_the_strongest_first(found: np.ndarray) -> None:
    phrases = named(found)
    words = [word for first, count in phrases for word in range(first, first + count)]
    assert len(words) == len(set(words)) == min(-(-len(found) // 4), int((found > 0).sum()))
    assert all(found[word] > 0 for word in words)
    assert words == [] or min(found[words]) >= max(np.delete(found, words), default=-np.inf)
    sums = [found[first : first + count].sum() for first, count in phrases]
    assert sums == sorted(sums, reverse=True)
    assert not {first + count for first, count in phrases} & {first for first, _ in phrases}  # neighbours are one


def test_the_words_that_speak_for_the_answer_lead_by_what_is_lost_without_them() -> None:
    answer = np.array([0.6, 0.1, 0.3], np.float32)
    without = np.array([[0.3, 0.1, 0.6], [0.6, 0.1, 0.3], [0.8, 0.1, 0.1], [np.nan] * 3], np.float32)
    lead = np.log(2)
    assert effects(answer, without) == pytest.approx([2 * lead, 0, lead - np.log(8), lead], abs=1e-5)


def test_each_word_is_left_out_once() -> None:
    ids = np.arange(6, dtype=np.int32).reshape(3, 2)
    assert [left.tolist() for left in without_each(ids)] == [[[2, 3], [4, 5]], [[0, 1], [4, 5]], [[0, 1], [2, 3]]]
    assert without_each(ids[:0]) == []


def test_without_the_words_that_are_named_more_answers_change_than_without_others(tmp_path: Path) -> None:
    generate(tmp_path, per_type=4, test_items=0, seed=3)
    with (tmp_path / "X_train_update.csv").open(newline="") as table:
        texts = [words(row["designation"], row["description"]) for row in csv.DictReader(table)]
    starter, random = Bundle.load(ROOT / "models/starter"), Random(7)
    network, encoder = runtimes.load(starter, "openvino"), starter.text_encoder()

    def answers(texts: list[list[str]]) -> Probabilities:
        return starter.manifest.fusion.only_text(network.text(encoder.encode(texts)))

    changed = {"named": 0, "others": 0}
    for text in texts:
        read = text[: encoder.max_words]
        answer = answers([read])[0]
        without = answers([read[:word] + read[word + 1 :] for word in range(len(read))])
        chosen = {word for first, count in named(effects(answer, without)) for word in range(first, first + count)}
        left_out = {"named": chosen, "others": set(random.sample(range(len(read)), len(chosen)))}
        for name, gone in left_out.items():
            rest = [word for place, word in enumerate(read) if place not in gone]
            changed[name] += int(answers([rest])[0].argmax() != answer.argmax())
    assert changed["named"] > 2 * changed["others"]

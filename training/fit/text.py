"""The text branch: fits the LSTM, which learns from labels, teachers and texts without a label."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from shared.model.fusion import Probabilities, log, softmax
from shared.model.networks import text_network
from shared.model.text import TextEncoder
from shared.pipeline.params import TextParams
from training.fit.embeddings import Vectors, pretrained
from training.fit.schedule import schedule
from training.fit.targets import Targets
from training.fit.teacher import teach
from training.fit.training_loop import Batch, History, batching, fit
from training.pipeline.prepared import Items, PartlyLabelled

Texts = list[list[str]]

_PREDICTED_AT_ONCE = 256
_BUCKET = 32
"""Batches whose texts are sorted by length together, which saves padding and still shuffles."""


@dataclass(frozen=True)
class Examples:
    """Texts, and the probabilities to learn."""

    texts: Texts
    targets: Targets

    @classmethod
    def labelled(cls, items: Items) -> "Examples":
        """Return the items that have a text."""
        rows = np.flatnonzero(items.has_text)
        targets = Targets.one_hot(items.classes[rows], len(items.categories))
        return cls([items.words[row] for row in rows], targets)


def fit_text(
    training: Items,
    validation: Items,
    unlabelled: Texts,
    partly: PartlyLabelled,
    encoder: TextEncoder,
    params: TextParams,
    seed: int,
) -> tuple[Any, dict[str, History]]:
    """Return the LSTM that serves, and the history of each network that was trained for it.

    A linear model and, if there are unlabelled texts, a first LSTM teach the LSTM that serves (Hinton, Vinyals and
    Dean 2015, "Distilling the Knowledge in a Neural Network"). It learns the labels, softened by the linear model's
    out-of-fold answers, and both teachers' answers to the unlabelled texts. A text whose label is a category above the
    classes teaches what the linear model says of the classes below that label, and nothing of the others.
    """
    labelled, checked = Examples.labelled(training), Examples.labelled(validation)
    lstm = _Lstm(
        encoder, params, pretrained(labelled.texts + unlabelled + partly.texts, encoder, params, seed), checked, seed
    )
    width, share = len(training.categories), params.teacher_share
    others = unlabelled + partly.texts
    linear, guesses = teach(labelled.texts, training.classes[training.has_text], others, width, seed)
    narrowed = _within(guesses, len(unlabelled), partly)
    softened = Targets.largest(
        len(labelled.texts),
        width,
        lambda rows: (1 - share) * labelled.targets.dense(rows) + share * linear.dense(rows),
    )
    if not unlabelled:
        lesson = Examples(labelled.texts + partly.texts, Targets.joined([softened, narrowed]))
        network, history = lstm.fit("text", lesson)
        return network, {"text": history}
    first, first_history = lstm.fit("text-teacher", labelled)
    agreed = Targets.largest(
        len(unlabelled),
        width,
        lambda rows: softmax((log(guesses.dense(rows)) + log(predict_text(first, encoder, unlabelled[rows]))) / 2),
    )
    lesson = Examples(labelled.texts + others, Targets.joined([softened, agreed, narrowed]))
    student = replace(lstm, params=params.model_copy(update=params.student.model_dump()))
    network, history = student.fit("text", lesson)
    return network, {"text-teacher": first_history, "text": history}


def _within(guesses: Targets, first: int, partly: PartlyLabelled) -> Targets:
    """Return the guesses from row `first` on, each shared out among the classes below its text's label alone.

    One half of each target follows the guess, and the other half goes to these classes evenly: the guess is all too
    sure of a text with new words, of which the label decides the upper levels alone.
    """

    def narrowed(rows: slice) -> Probabilities:
        found = guesses.dense(np.arange(first + rows.start, first + rows.stop))
        allowed = np.zeros_like(found)
        for row, classes in enumerate(partly.classes[rows]):
            allowed[row, classes] = 1
        kept = found * allowed
        nothing = kept.sum(axis=1) == 0
        kept[nothing] = allowed[nothing]
        even = allowed / allowed.sum(axis=1, keepdims=True)
        return np.asarray((kept / kept.sum(axis=1, keepdims=True) + even) / 2, np.float32)

    return Targets.largest(len(partly), guesses.width, narrowed)


def predict_text(network: Any, encoder: TextEncoder, texts: Texts) -> Probabilities:
    """Return the network's probabilities, of shape (texts, classes)."""
    signature = [tf.TensorSpec(network.input_shape, "int32")]  # traced once for all lengths of texts
    answering = tf.function(lambda tokens: network(tokens, training=False), input_signature=signature)
    answers = np.empty((len(texts), network.output_shape[1]), np.float32)
    order = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(order), _PREDICTED_AT_ONCE):
        rows = order[start : start + _PREDICTED_AT_ONCE]
        answers[rows] = answering(encoder.encode([texts[row] for row in rows]))
    return answers


@dataclass(frozen=True)
class _Lstm:
    """What all LSTMs of a training have in common."""

    encoder: TextEncoder
    params: TextParams
    vectors: Vectors
    checked: Examples
    seed: int

    def fit(self, name: str, lesson: Examples) -> tuple[Any, History]:
        params, items = self.params, len(lesson.texts)
        network = text_network(
            self.encoder.size,
            self.encoder.max_subwords,
            lesson.targets.width,
            embedding=params.embedding,
            units=params.units,
            dropout=params.dropout,
            word_dropout=params.word_dropout,
        )
        network.get_layer("embedding").set_weights([self.vectors])
        size, steps = batching(items, params.batch_size)
        lengths = np.array([min(len(text), params.max_words) for text in lesson.texts])
        random = np.random.default_rng(self.seed)

        def training() -> Iterator[Batch]:
            return self._batches(lesson, by_length(lengths, size, random))

        rows = np.arange(len(self.checked.texts))
        check = list(self._batches(self.checked, np.split(rows, rows[_PREDICTED_AT_ONCE::_PREDICTED_AT_ONCE])))
        rate = schedule(params.learning_rate, params.epochs * steps)
        loss = keras.losses.CategoricalCrossentropy()
        optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
        return network, fit(network, name, training, steps, check, optimizer, loss, params.epochs)

    def _batches(self, examples: Examples, batches: list[npt.NDArray[np.intp]]) -> Iterator[Batch]:
        for rows in batches:
            yield self.encoder.encode([examples.texts[row] for row in rows]), examples.targets.dense(rows)


def by_length(lengths: npt.NDArray[np.int64], size: int, random: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Return shuffled batches of rows of similar length."""
    order = random.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), size * _BUCKET):
        bucket = order[start : start + size * _BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += np.split(bucket, range(size, len(bucket), size))
    return [batches[number] for number in random.permutation(len(batches))]

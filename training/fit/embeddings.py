"""Word vectors for the start of the text network, learned from all texts, with or without a label."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.utils.extmath import randomized_svd

from shared.model.text import PADDING, TextEncoder
from shared.pipeline.params import TextParams

_WINDOW = 8
_CONTEXT_SMOOTHING = 0.75
_NOISE = 0.05
_RARE = 2

Vectors = npt.NDArray[np.float32]


def pretrained(texts: Sequence[Sequence[str]], encoder: TextEncoder, params: TextParams, seed: int) -> Vectors:
    """Return embeddings of shape (encoder.size, params.embedding); a word's vector is the sum over its subwords.

    The words' vectors are the left singular vectors of their positive pointwise mutual information within a window,
    with smoothed contexts (Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned
    from Word Embeddings"). An n-gram gets the mean of the words that contain it; a word's own row gets the remainder.
    """
    size = params.embedding
    random = np.random.default_rng(seed)
    embeddings = random.normal(0, _NOISE, (encoder.size, size))
    cut = [text[: encoder.max_words] for text in texts]
    counts = Counter(word for text in cut for word in set(text))
    vocabulary = {
        word: index for index, word in enumerate(sorted(word for word, count in counts.items() if count >= _RARE))
    }
    if len(vocabulary) > size:
        vectors = _singular_vectors(_association(cut, vocabulary), size, seed)
        embeddings += _shared_out(vectors, vocabulary, counts, encoder)
    embeddings *= params.vector_scale
    embeddings[PADDING] = 0
    return np.asarray(embeddings, np.float32)


def _association(texts: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> csr_matrix:
    """Return the positive pointwise mutual information, (words, words); a pair at distance d counts 1/√d."""
    rows, columns, weights = [], [], []
    for text in texts:
        ids = np.array([vocabulary[word] for word in text if word in vocabulary], np.int64)
        for distance in range(1, min(_WINDOW, len(ids) - 1) + 1):
            left, right = ids[:-distance], ids[distance:]
            rows += [left, right]
            columns += [right, left]
            weights.append(np.full(2 * len(left), distance**-0.5))
    width = len(vocabulary)
    if not rows:
        return csr_matrix((width, width))
    pairs = coo_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(width, width)
    ).tocsr()
    pairs.sum_duplicates()
    totals = np.asarray(pairs.sum(axis=1)).ravel() + 1e-9
    contexts = totals**_CONTEXT_SMOOTHING
    contexts /= contexts.sum()
    word, context = pairs.nonzero()
    information = np.log(pairs.data / (totals[word] * contexts[context]))
    positive = information > 0
    return csr_matrix((information[positive], (word[positive], context[positive])), shape=(width, width))


def _singular_vectors(association: csr_matrix, size: int, seed: int) -> npt.NDArray[np.float64]:
    """Return vectors of shape (words, size), scaled to unit variance."""
    left, values, _ = randomized_svd(association, size, random_state=seed)
    vectors = left * np.sqrt(values)
    return np.asarray(vectors / max(vectors.std(), 1e-9))


def _shared_out(
    vectors: npt.NDArray[np.float64], vocabulary: dict[str, int], counts: Counter[str], encoder: TextEncoder
) -> npt.NDArray[np.float64]:
    """Turn the words' vectors (words, size) into subword embeddings (encoder.size, size)."""
    ids = np.stack([encoder.word(word) for word in vocabulary])
    importance = np.log1p([counts[word] for word in vocabulary])
    own, grams = ids[:, 0], ids[:, 1:]
    word, place = np.nonzero(grams)
    shape = (encoder.size, len(vocabulary))
    containing: csr_matrix = csr_matrix((importance[word], (grams[word, place], word)), shape=shape)
    mass = np.maximum(np.asarray(containing.sum(axis=1)), 1e-9)
    shared: npt.NDArray[np.float64] = np.asarray(containing @ vectors) / mass
    grams_per_word = np.maximum((grams != PADDING).sum(axis=1), 1)
    means = csr_matrix((1 / grams_per_word[word], (word, grams[word, place])), shape=shape[::-1]) @ shared
    known = own != PADDING
    shared[own[known]] = vectors[known] - means[known]
    return shared

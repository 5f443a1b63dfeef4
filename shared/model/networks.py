"""The two trained networks in Keras: an LSTM on the text, a head on VGG16's features."""

from typing import Any

import keras
from keras import layers, ops

from shared.model.weights import Weights, assign


@keras.saving.register_keras_serializable("rakuten")
class NoCandidateBias(keras.constraints.Constraint):  # type: ignore[misc]  # Keras has no types
    """Keeps the candidate gate's bias at zero.

    Then an LSTM that reads zeros from its zero state stays there, so padding on the left changes no answer, and no
    mask is needed: OpenVINO turns a masked LSTM into a slow loop.
    """

    def __call__(self, bias: Any) -> Any:
        units = bias.shape[0] // 4  # Keras' gates: input, forget, candidate, output
        return bias * ops.repeat(ops.array([1.0, 1.0, 0.0, 1.0]), units)


def text_network(
    vocabulary: int,
    max_subwords: int | None,
    classes: int,
    *,
    embedding: int,
    units: int,
    dropout: float = 0.0,
    word_dropout: float = 0.0,
) -> Any:
    """(n, words, subwords) ids to (n, classes) probabilities; the number of words may differ from batch to batch.

    A word's vector is its own embedding and the mean of its n-grams'. A bidirectional LSTM reads the words; the
    strongest state over time decides, together with the sum of the word vectors, because any word may decide the type.
    `shared.model.runtimes.openvino_networks` builds the same network from the same weights.
    """
    tokens = keras.Input((None, max_subwords), dtype="int32", name="tokens")
    known = ops.cast(ops.not_equal(tokens, 0), "float32")
    there = ops.max(known, axis=-1, keepdims=True)
    grams = known[:, :, 1:]
    shares = grams / ops.maximum(ops.sum(grams, axis=-1, keepdims=True), 1.0)
    weights = ops.expand_dims(ops.concatenate([known[:, :, :1], shares], axis=-1), 2)
    embedded = layers.Embedding(vocabulary, embedding, name="embedding")(tokens)
    vectors = ops.squeeze(ops.matmul(weights, embedded), 2)
    vectors = layers.Dropout(word_dropout, noise_shape=(None, None, 1))(vectors)
    vectors = layers.SpatialDropout1D(dropout / 2)(vectors)

    def read(name: str, *, backwards: bool) -> Any:
        lstm = layers.LSTM(
            units,
            return_sequences=True,
            go_backwards=backwards,
            bias_constraint=NoCandidateBias(),
            # On JAX, Keras' cuDNN path answers a backward LSTM's states in another order than every other path;
            # and it is no faster (H100, 256 texts of 64 words: 3.4 ms with it, 3.3 without).
            use_cudnn=False if keras.backend.backend() == "jax" else "auto",
            name=name,
        )
        return lstm(vectors)

    states = ops.concatenate(
        [read("forward", backwards=False), ops.flip(read("backward", backwards=True), axis=1)], axis=-1
    )
    strongest = ops.maximum(ops.max(states * there, axis=1), 0.0)  # as if there were always padding
    bag = ops.sum(vectors * there, axis=1) / ops.sqrt(ops.maximum(ops.sum(there, axis=1), 1.0))
    kept = layers.Dropout(dropout)(ops.concatenate([strongest, bag], axis=-1))
    probabilities = layers.Dense(classes, activation="softmax", name="classes")(kept)
    return keras.Model(tokens, probabilities, name="text")


def restore_text(weights: Weights) -> Any:
    """The text network with a bundle's weights, for answering."""
    vocabulary, embedding = weights["embedding/embeddings"].shape
    units, classes = weights["forward/lstm_cell/recurrent_kernel"].shape[0], weights["classes/bias"].shape[0]
    network = text_network(vocabulary, None, classes, embedding=embedding, units=units)
    assign(network, weights)
    return network


def restore_image(weights: Weights) -> Any:
    """The image network with a bundle's weights, for answering."""
    features, units = weights["hidden/kernel"].shape
    network = image_network(features, weights["classes/bias"].shape[0], units=units)
    assign(network, weights)
    return network


def image_network(features: int, classes: int, *, units: int, dropout: float = 0.0) -> Any:
    """(n, features) pooled VGG16 features to (n, classes) probabilities; adapt its `standardise` layer first.

    Square roots, because pooled activations have long tails.
    """
    inputs = keras.Input((features,), name="features")
    standardised = layers.Normalization(name="standardise")(ops.sqrt(ops.maximum(inputs, 0.0)))
    thinned = layers.Dropout(dropout * 0.6)(ops.clip(standardised, -5.0, 5.0))
    hidden = layers.Dense(units, use_bias=False, name="hidden")(thinned)
    hidden = ops.gelu(layers.BatchNormalization(name="normalise")(hidden), approximate=False)
    kept = layers.Dropout(dropout)(hidden)
    probabilities = layers.Dense(classes, activation="softmax", name="classes")(kept)
    return keras.Model(inputs, probabilities, name="image")


def compute_in_bf16(network: Any) -> None:
    """Make each layer compute in bf16 with weights in f32 (Keras's `mixed_bfloat16`).

    It is set per layer, because the global policy would apply to the centring of pixels and the pooling as well.
    """
    for layer in network.layers:
        layer.dtype_policy = "mixed_bfloat16"

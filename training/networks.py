"""The two networks that are trained: the LSTM on the text, the head on VGG16's features."""

from typing import Any

import keras

from training.params import ImageParams, TextParams


def text_network(vocabulary: int, classes: int, params: TextParams) -> Any:
    """(n, max_words) word ids to (n, classes) probabilities.

    A bidirectional LSTM whose strongest state over time decides: a type may hang on a word anywhere in the title.
    `training.export.export_text` knows these layers by name.
    """
    tokens = keras.Input((params.max_words,), dtype="int32", name="tokens")
    vectors = keras.layers.Embedding(vocabulary, params.embedding, name="embedding")(tokens)
    noisy = keras.layers.Dropout(params.word_dropout, noise_shape=(None, params.max_words, 1))(vectors)
    thinned = keras.layers.SpatialDropout1D(params.dropout / 2)(noisy)
    lstm = keras.layers.LSTM(params.units, return_sequences=True)
    states = keras.layers.Bidirectional(lstm, name="lstm")(thinned)
    strongest = keras.layers.Dropout(params.dropout)(keras.layers.GlobalMaxPooling1D()(states))
    probabilities = keras.layers.Dense(classes, activation="softmax", name="classes")(strongest)
    return keras.Model(tokens, probabilities, name="text")


def image_network(features: int, classes: int, params: ImageParams) -> Any:
    """(n, features) pooled VGG16 features to (n, classes) probabilities; adapt its `standardise` layer first."""
    inputs = keras.Input((features,), name="features")
    standardised = keras.layers.Normalization(name="standardise")(inputs)
    thinned = keras.layers.Dropout(params.dropout / 2)(standardised)
    hidden = keras.layers.Dense(params.units, activation="relu")(thinned)
    kept = keras.layers.Dropout(params.dropout)(hidden)
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax", name="classes")(kept), name="image")

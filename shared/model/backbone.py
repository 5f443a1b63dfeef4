"""VGG16's convolutions as a Keras network from pixels to pooled features."""

from typing import Any

import keras

FEATURES = 1024
"""Average and maximum of the last block's 512 channels."""

# Means of ImageNet in BGR, as VGG16 was trained (Simonyan and Zisserman 2014; keras.applications' "caffe" mode).
_IMAGENET_BGR = (103.939, 116.779, 123.68)


def build_backbone(size: int) -> Any:
    """(n, size, size, 3) RGB 0 to 255 to (n, `FEATURES`), with random weights.

    VGG16's own preprocessing is part of the network, so that every runtime takes plain pixels.
    """
    pixels = keras.Input((size, size, 3), dtype="uint8", name="pixels")
    bgr = keras.ops.flip(keras.ops.cast(pixels, keras.config.floatx()), axis=-1)
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in _IMAGENET_BGR])(bgr)
    vgg16 = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
    maps = vgg16(centred)
    pooled = [keras.layers.GlobalAveragePooling2D()(maps), keras.layers.GlobalMaxPooling2D()(maps)]
    return keras.Model(pixels, keras.layers.Concatenate(name="features")(pooled), name="backbone")

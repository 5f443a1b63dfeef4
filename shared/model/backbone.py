"""VGG16's convolutions as a Keras network from pixels to pooled features."""

from pathlib import Path
from typing import Any

import keras

from shared.model.convolutions import IMAGENET_RGB, POOLED_BLOCKS, read_convolutions


def build_backbone(size: int) -> Any:
    """Build VGG16's convolutions, (n, size, size, 3) RGB 0 to 255 to (n, `FEATURES`), with random weights.

    VGG16's own preprocessing is part of the network, so that every runtime takes plain pixels.
    """
    pixels = keras.Input((size, size, 3), dtype="uint8", name="pixels")
    numbers = keras.ops.cast(pixels, keras.config.floatx())
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in IMAGENET_RGB])(numbers)
    vgg16 = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
    pools = [vgg16.get_layer(f"block{block}_pool").output for block in POOLED_BLOCKS]
    blocks = keras.Model(vgg16.input, pools, name="vgg16")
    pooled = [
        pool(maps)
        for maps in blocks(centred)
        for pool in (keras.layers.GlobalAveragePooling2D(), keras.layers.GlobalMaxPooling2D())
    ]
    return keras.Model(pixels, keras.layers.Concatenate(name="features")(pooled), name="backbone")


def load_backbone(path: Path, size: int) -> Any:
    """Build the Keras backbone with the weights of its quantised OpenVINO form, the only form in a bundle."""
    backbone = build_backbone(size)
    backbone.get_layer("vgg16").set_weights([array for pair in read_convolutions(path) for array in pair])
    return backbone

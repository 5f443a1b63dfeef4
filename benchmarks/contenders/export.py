"""A bundle in a form that the contenders load without OpenVINO, in which a bundle keeps VGG16's weights."""

import shutil
from pathlib import Path

from shared.model.bundle import BACKBONE, IMAGE, MANIFEST, TEXT, VOCABULARY, Bundle
from shared.model.weights import load_weights

SIZE = 224
"""The contenders' input size, whatever the bundle's: VGG16's own, which the original design took."""
FOLDER = "CONTENDER_MODEL"
"""The environment variable that tells a contender where the exported folder lies."""
IMAGE_NETWORK = "image.keras"


def export(bundle: Bundle, folder: Path) -> None:
    """Write the image network, from `SIZE`² pixels to probabilities, as a Keras file; the rest lies in the bundle."""
    import keras

    from shared.model.backbone import load_backbone
    from shared.model.networks import restore_image

    backbone = load_backbone(bundle.folder / BACKBONE, SIZE)
    head = restore_image(load_weights(bundle.folder / IMAGE))
    folder.mkdir(parents=True)
    keras.Model(backbone.input, head(backbone.output), name="image").save(folder / IMAGE_NETWORK)
    for name in (MANIFEST, VOCABULARY, TEXT):
        shutil.copyfile(bundle.folder / name, folder / name)

"""VGG16's weights, and the frozen backbone that is made of them."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import keras

from shared.model.backbone import build_backbone
from shared.model.bundle import BACKBONE_OPENVINO, BACKBONE_WEIGHTS
from training.export import export_keras

log = logging.getLogger(__name__)


class WeightsError(RuntimeError):
    """The weights that `params.yaml` names cannot be had; the message says what to do."""


def make_backbone(weights: str, size: int, folder: Path, *, random_allowed: bool, seed: int) -> str:
    """Write the backbone for every runtime into `folder`; returns where its weights came from.

    Args:
        weights: `imagenet`, `random`, a file, or `auto`: imagenet, else random where that is allowed.
        random_allowed: whether `auto` may fall back to random weights (for the generated sample catalogue alone).

    Raises:
        WeightsError: the file is missing or no VGG16, or the download failed.
    """
    keras.utils.set_random_seed(seed)
    backbone = build_backbone(size)
    origin = _fill(backbone.get_layer("vgg16"), weights, random_allowed)
    folder.mkdir(parents=True, exist_ok=True)
    _save_half(backbone, size, folder / BACKBONE_WEIGHTS)
    backbone.load_weights(folder / BACKBONE_WEIGHTS)  # every runtime computes with the same rounded weights
    export_keras(backbone, folder / BACKBONE_OPENVINO)
    log.info("VGG16 backbone with %s weights in %s", origin, folder)
    return origin


def fingerprint(folder: Path) -> str:
    """sha256 of the backbone's weights: features are kept under it."""
    return hashlib.sha256((folder / BACKBONE_OPENVINO).with_suffix(".bin").read_bytes()).hexdigest()


def _fill(vgg16: Any, weights: str, random_allowed: bool) -> str:
    if weights == "random":
        return "random"
    if weights not in ("imagenet", "auto"):
        _load_file(vgg16, Path(weights))
        return Path(weights).name
    try:
        downloaded = keras.applications.VGG16(include_top=False, weights="imagenet")
    except Exception as error:  # urllib's errors come wrapped by Keras in a bare Exception
        if weights == "auto" and random_allowed:
            log.warning("VGG16's ImageNet weights cannot be downloaded: using random ones, good enough for the sample")
            return "random"
        raise WeightsError(
            f"VGG16's ImageNet weights cannot be downloaded ({error}). Put the file "
            "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 into ~/.keras/models, or set "
            "preprocess.vgg16_weights in params.yaml to a local weights file, or to 'random' for a test."
        ) from error
    vgg16.set_weights(downloaded.get_weights())
    return "imagenet"


def _load_file(vgg16: Any, path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"preprocess.vgg16_weights names {path}, and there is no such file")
    try:
        vgg16.load_weights(path)
    except Exception as error:
        raise WeightsError(f"{path} does not hold VGG16's convolutions (include_top=False): {error}") from error


def _save_half(backbone: Any, size: int, path: Path) -> None:
    """Half the bytes; features differ by less than 0.1 % of the largest value."""
    default = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float16")
    try:
        half = build_backbone(size)
    finally:
        keras.config.set_dtype_policy(default)
    half.set_weights(backbone.get_weights())
    half.save_weights(path)

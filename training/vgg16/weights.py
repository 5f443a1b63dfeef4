"""VGG16's weights, and the frozen, quantised backbone made from them."""

import hashlib
import logging
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import nncf
import numpy as np
import openvino
import tensorflow as tf

from shared.model.backbone import build_backbone, load_backbone
from shared.model.bundle import BACKBONE, Bundle
from shared.model.images import decode
from training.pipeline.layout import STARTER
from training.vgg16.backbone_files import copy_backbone

log = logging.getLogger(__name__)

CALIBRATION_PICTURES = 300
"""NNCF's default."""


class WeightsError(RuntimeError):
    """The weights that `params.yaml` names are not available; the message says what to do."""


def load_vgg16(weights: str, size: int) -> tuple[Any, str]:
    """Return the Keras backbone and the origin of its weights.

    Args:
        weights: `starter`, `imagenet`, `random`, or a file with VGG16's convolutions (include_top=False).

    Raises:
        WeightsError: The file is missing or no VGG16, or the download failed.
    """
    if weights == "starter":
        starter = Bundle.load(STARTER)
        return load_backbone(starter.folder / BACKBONE, size), starter.manifest.vgg16_weights
    backbone = build_backbone(size)
    return backbone, _fill(backbone.get_layer("vgg16"), weights)


def keep_quantised(backbone: Any, pictures: Iterable[bytes], kept: Path, folder: Path) -> None:
    """Write the backbone's int8 form into `folder`; `kept` keeps one per weights and size for later runs.

    If it were calibrated again on every catalogue, each new picture would change the backbone, and all features would
    have to be computed again.
    """
    home = kept / f"backbone-{_fingerprint(backbone)[:16]}-{backbone.input_shape[1]}"
    if not (home / BACKBONE).is_file():
        unfinished = home.with_suffix(".tmp")
        quantise(backbone, pictures, unfinished)
        unfinished.rename(home)
    copy_backbone(home, folder)


def quantise(backbone: Any, pictures: Iterable[bytes], folder: Path) -> None:
    """Write the backbone with int8 weights and activations (NNCF, per channel), calibrated on the first pictures."""
    size = backbone.input_shape[1]
    sample = [decode(data, size)[np.newaxis] for data in islice(pictures, CALIBRATION_PICTURES)]
    log.info("quantising VGG16 on %d pictures", len(sample))
    quantised = nncf.quantize(_to_openvino(backbone), nncf.Dataset(sample), subset_size=len(sample))
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(quantised, folder / BACKBONE, compress_to_fp16=True)


def _to_openvino(backbone: Any) -> openvino.Model:
    """Convert by way of a SavedModel: OpenVINO 2026.4 cannot convert a function in memory on Python 3.13."""
    signature = [tf.TensorSpec((None, *backbone.input_shape[1:]), "uint8")]
    module = tf.Module()
    module.backbone = backbone
    module.answer = tf.function(lambda batch: backbone(batch, training=False), input_signature=signature)
    with TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=module.answer)
        model = openvino.convert_model(folder)
    # It notes where it found the SavedModel: by chance another folder each time, and so another bundle.
    model.set_rt_info("", ["conversion_parameters", "input_model"])
    return model


def _fingerprint(backbone: Any) -> str:
    digest = hashlib.sha256()
    for array in backbone.get_weights():
        digest.update(array.tobytes())
    return digest.hexdigest()


def _fill(vgg16: Any, weights: str) -> str:
    if weights == "random":
        return "random"
    if weights != "imagenet":
        _load_file(vgg16, Path(weights))
        return Path(weights).name
    try:
        downloaded = keras.applications.VGG16(include_top=False, weights="imagenet")
    except Exception as error:  # urllib's errors come wrapped by Keras in a bare Exception
        raise WeightsError(
            f"VGG16's ImageNet weights cannot be downloaded ({error}). Put the file "
            "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 into ~/.keras/models, or set "
            "preprocess.vgg16_weights in params.yaml to 'starter' (they are in this repository), to a local weights "
            "file, or to 'random' for a test."
        ) from error
    _assign(vgg16, downloaded)
    return "imagenet"


def _load_file(vgg16: Any, path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"preprocess.vgg16_weights names {path}, and there is no such file")
    try:
        layers = keras.applications.VGG16(include_top=False, weights=None, input_shape=vgg16.input_shape[1:])
        layers.load_weights(path)
    except Exception as error:
        raise WeightsError(f"{path} does not hold VGG16's convolutions (include_top=False): {error}") from error
    _assign(vgg16, layers)


def _assign(vgg16: Any, imagenet: Any) -> None:
    """Copy the weights; ImageNet's VGG16 takes BGR and ours RGB, so the first kernel's channels are reversed."""
    first, *others = imagenet.get_weights()
    vgg16.set_weights([first[:, :, ::-1], *others])

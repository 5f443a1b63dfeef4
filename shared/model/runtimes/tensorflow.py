"""TensorFlow on a GPU or a CPU; in f32 it is the reference that other runtimes are compared with."""

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from shared.model.bundle import Bundle
from shared.model.runtimes import cpu
from shared.model.runtimes.keras_runtime import KerasRuntime, Precision
from shared.model.runtimes.padding import Array

_BF16_CAPABILITY = (8, 0)
"""Compute capability of NVIDIA's Ampere, the first with bf16."""
_BF16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})

# Read when TensorFlow first uses a GPU; otherwise it would take all of the memory at once.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


class TensorFlowRuntime(KerasRuntime):
    backend = "tensorflow"

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        if precision == "f32":  # exactly: a GPU's TF32 keeps 10 of the 23 bits
            tf.config.experimental.enable_tensor_float_32_execution(False)
        super().__init__(bundle, precision)

    def _compile(self, network: Any) -> Callable[[Array], Any]:
        """XLA only on a GPU: on a CPU it computes VGG16 at 0.85 of oneDNN's speed in f32, at 0.4 of it in bf16.

        And only for inputs of one shape: the LSTM would be compiled again for each length, and cuDNN's is faster.
        """
        shape = network.input_shape[1:]
        signature = [tf.TensorSpec((None, *shape), network.inputs[0].dtype)]
        xla = has_gpu() and None not in shape
        return tf.function(  # type: ignore[no-any-return]  # TensorFlow has no types
            lambda batch: network(batch, training=False), input_signature=signature, jit_compile=xla
        )

    def _fastest_precision(self) -> Precision:
        if gpus := tf.config.list_physical_devices("GPU"):
            details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
            able = all(gpu.get("compute_capability", (0, 0)) >= _BF16_CAPABILITY for gpu in details)
        else:
            able = not _BF16_INSTRUCTIONS.isdisjoint(cpu.instructions())
        return "bf16" if able else "f32"


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU. Its import sets Keras's backend, so JAX must be asked before."""
    return bool(tf.config.list_physical_devices("GPU"))

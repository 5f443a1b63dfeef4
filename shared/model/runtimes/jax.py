"""JAX, for machines whose GPU it can use."""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from shared.model.fusion import Probabilities
from shared.model.runtimes.keras_runtime import KerasRuntime, Precision, backend_is_free
from shared.model.runtimes.padding import Array

_BF16_CAPABILITY = 8.0
"""Compute capability of NVIDIA's Ampere, the first with bf16."""

# Read when JAX first uses a GPU; otherwise it would take three quarters of the memory at once.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


class JAXRuntime(KerasRuntime):
    backend = "jax"

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        return super().text(_lengthened(tokens))

    def _compile(self, network: Any) -> Callable[[Array], Any]:
        @jax.jit
        def answer(weights: list[Any], state: list[Any], batch: Any) -> Any:
            # Products of f32 stay in f32: a GPU's TF32 keeps 10 of the 23 bits. Products of bf16 are not affected.
            with jax.default_matmul_precision("highest"):
                return network.stateless_call(weights, state, batch, training=False)[0]

        weights = [variable.value for variable in network.trainable_variables]
        state = [variable.value for variable in network.non_trainable_variables]
        return lambda batch: answer(weights, state, batch)

    def _fastest_precision(self) -> Precision:
        """Use bf16 on GPUs only: on a CPU, XLA computes 3.0 pictures/s in either precision."""
        capability = getattr(jax.devices()[0], "compute_capability", "")  # "9.0" by NVIDIA, "gfx942" by AMD
        able = capability.replace(".", "").isdigit() and float(capability) >= _BF16_CAPABILITY
        return "bf16" if able else "f32"


def has_gpu() -> bool:
    """Whether JAX sees a GPU that this process can use: not if Keras already runs on another backend.

    Keras is not imported to find out.
    """
    return backend_is_free("jax") and jax.default_backend() == "gpu"


def _lengthened(tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Pad on the left to the next power of two, which changes no answer: each new length has to be compiled."""
    length = tokens.shape[1]
    return np.pad(tokens, ((0, 0), ((1 << (length - 1).bit_length()) - length, 0), (0, 0)))

"""The learning-rate schedule of every network that is fitted: the two branches, and VGG16's last block."""

from typing import Any

import keras

_WARM_UP, _FIRST, _LAST = 0.1, 0.05, 0.01
"""The share of the steps in which the rate rises, and the shares of its highest value where it begins and ends."""


def schedule(rate: float, steps: int) -> Any:
    """A rate that rises for a tenth of the steps, then falls along a cosine."""
    warm_up = int(steps * _WARM_UP)
    return keras.optimizers.schedules.CosineDecay(
        rate * _FIRST, steps - warm_up, alpha=_LAST, warmup_target=rate, warmup_steps=warm_up
    )

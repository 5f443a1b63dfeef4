"""The progress of a Keras fit: a bar on a terminal, and a line per epoch in the progress file."""

from typing import Any

import keras
from tqdm import tqdm

from training.pipeline import progress


class EpochBar(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """A bar per network: the epochs done, and the figures on the validation split."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._bar = tqdm(total=self.params["epochs"], desc=f"{self._name} network", unit="epoch", disable=None)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items() if "val" in name})
            self._bar.update()
        progress.report(f"{self._name} epochs", epoch + 1, self.params["epochs"])

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._bar is not None:
            self._bar.close()

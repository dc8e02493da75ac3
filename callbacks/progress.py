r"""Shows how far the training is, and passes on what other callbacks have to show."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

__all__ = ["TrainingProgress"]


class TrainingProgress(pl.Callback):
    r"""Shows the training of both networks, with their losses.

    Arguments:
        show: Called as `show(done, total, label)` by other callbacks, and with a few words more here.
    """

    def __init__(self, show: Callable[..., None]) -> None:
        super().__init__()
        self.show = show

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step % 8 == 0 or trainer.is_last_batch:
            total = int(trainer.num_training_batches * (trainer.max_epochs or 1))
            losses = getattr(module, "losses", None)
            told = f"loss A {losses[0]:.2g}, B {losses[1]:.2g}" if losses else ""
            self.show(min(trainer.global_step, total), total, "training both networks", told)

r"""The display of a run: rendering, training, matching."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from callbacks.lines import Lines

__all__ = ["Display"]


class Display(Lines, pl.Callback):
    r"""`Lines` that as a callback of Lightning's show the training; quiet in all processes but the first.

    Arguments:
        quiet: As in `Lines`.
    """

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet or getattr(rank_zero_only, "rank", 0) > 0)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        total = trainer.num_training_batches * (trainer.max_epochs or 1)

        if not self._shown.disable and (trainer.global_step % 8 == 0 or trainer.is_last_batch):
            self(min(trainer.global_step, int(total)), int(total), "training both networks")

r"""Schedules of the learning rate, beside those of torch."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["warmup_cosine"]


def warmup_cosine(
    optimizer: Optimizer,
    steps_per_epoch: int,
    epochs: float = 20,
    warmup_epochs: float = 2,
    final: float = 0.01,
) -> LambdaLR:
    r"""The learning rate rises linearly, falls along half a cosine, and stays at its last value from there on.

    It does not depend on how long the trainer is told to go on, so that a run that is resumed is the run that
    was not interrupted. To be stepped after every step of the optimizer.

    Arguments:
        optimizer: Whose learning rates are the largest ones.
        steps_per_epoch: Steps of the optimizer in an epoch.
        epochs: Epochs after which the learning rate has fallen to the last value.
        warmup_epochs: Epochs over which it rises, below `epochs`.
        final: Last learning rate as a share of the largest, in (0, 1].

    Raises:
        ValueError: If a number is out of its range.
    """
    if not 0 <= warmup_epochs < epochs:
        raise ValueError(
            f"'warmup_epochs' should lie between 0 and 'epochs' = {epochs}, got {warmup_epochs}; "
            "lower scheduler.warmup_epochs or raise scheduler.epochs."
        )

    if not 0 < final <= 1:
        raise ValueError(f"'final' should lie in (0, 1], a share of the largest rate, got {final}; try 0.01.")

    def share(step: int) -> float:
        r"""The learning rate after so many steps, as a share of the largest."""
        epoch = step / steps_per_epoch

        if epoch < warmup_epochs:
            return max(epoch / warmup_epochs, final)

        fallen = (epoch - warmup_epochs) / (epochs - warmup_epochs)

        return final + (1 - final) * (1 + math.cos(math.pi * min(fallen, 1.0))) / 2

    return LambdaLR(optimizer, share)

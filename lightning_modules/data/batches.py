r"""In-memory batches of two unrelated sets of samples, and the data module that hands them to Lightning."""

from collections.abc import Iterator
from typing import Protocol, Self

import pytorch_lightning as pl
import torch
from torch import Tensor

__all__ = ["Batches", "ByEpoch", "InOrder", "PairData", "Samples", "check_batch_size", "epoch_seed"]

#: Inputs `(n, ...)` and what is to be learned there, `(n, ...)`; the same tensor twice for an autoencoder.
Samples = tuple[Tensor, Tensor]

#: Samples of each side in a batch of validation, which needs no gradients: as many as are cheap to hold.
VALIDATION_BATCH = 512


class Side(Protocol):
    r"""What one network learns from."""

    @property
    def samples(self) -> Samples: ...


class Sides(Protocol):
    r"""What two networks learn from, and what their losses are validated on, `n` samples of each."""

    @property
    def a(self) -> Side: ...

    @property
    def b(self) -> Side: ...

    @property
    def validation(self) -> tuple[Samples, Samples]: ...


class ByEpoch:
    r"""Batches in an order of each epoch's own, whichever run it is in."""

    epoch = 0

    @property
    def sampler(self) -> Self:
        r"""Where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        r"""Called by Lightning before each epoch, also after a resume."""
        self.epoch = epoch


class Batches(ByEpoch):
    r"""Pairs of batches, one of A's samples and one of B's, in orders that only `(seed, epoch)` determine.

    A loader for Lightning without workers or copies: at this size they would cost more than the training
    step. That nothing but the epoch's number determines its order is what makes a resumed run repeat an
    uninterrupted one bit for bit. Each side is shuffled by itself: that two samples share a batch means
    nothing. An epoch is as long as the smaller set; what does not fill a last batch is left out, another part
    of the data at every epoch.

    Arguments:
        a: A's inputs and targets, `n_a` of each.
        b: B's inputs and targets, `n_b` of each.
        batch_size: Samples of each side in a batch.
        seed: Of the orders.
        rank: Of this process among
        world_size: processes that share an epoch; each takes its part of every batch.

    Raises:
        ValueError: If a side has too few samples for one batch, or a batch too few for the processes.
    """

    def __init__(
        self, a: Samples, b: Samples, batch_size: int, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        check_batch_size(batch_size, min(len(a[0]), len(b[0])))

        if batch_size % world_size:
            raise ValueError(
                f"'batch_size' should be a multiple of the {world_size} processes, got {batch_size}."
            )

        self.a, self.b, self.batch_size, self.seed = a, b, batch_size, seed
        self.part = slice(rank, None, world_size)

    def __len__(self) -> int:
        return min(len(self.a[0]), len(self.b[0])) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Samples, Samples]]:
        # A generator: Lightning makes the first iterator before it tells the epoch, and draws from it after.
        order = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        rows_a = torch.randperm(len(self.a[0]), generator=order)
        rows_b = torch.randperm(len(self.b[0]), generator=order)

        for start in range(0, len(self) * self.batch_size, self.batch_size):
            batch = slice(start, start + self.batch_size)

            yield _drawn(self.a, rows_a[batch][self.part]), _drawn(self.b, rows_b[batch][self.part])


def check_batch_size(
    batch_size: int, fewest: int, fix: str = "lower data.batch_size or raise dataset.n_train"
) -> None:
    r"""Raises ValueError, which ends in `fix`, unless a side with the `fewest` training inputs fills a batch."""
    if not 1 <= batch_size <= fewest:
        raise ValueError(
            f"'batch_size' should lie between 1 and the {fewest} training inputs, got {batch_size}; {fix}."
        )


class InOrder:
    r"""Pairs of batches of equally many samples, in the order in which they come, with no random number drawn.

    Arguments:
        a: A's inputs and targets, n of each.
        b: B's inputs and targets, n of each.
        rank: Of this process among
        world_size: processes that share the samples.
    """

    def __init__(self, a: Samples, b: Samples, rank: int = 0, world_size: int = 1) -> None:
        self.a, self.b = a, b
        self.rows = torch.arange(rank, len(a[0]), world_size)

    def __len__(self) -> int:
        return -(-len(self.rows) // VALIDATION_BATCH)

    def __iter__(self) -> Iterator[tuple[Samples, Samples]]:
        for rows in self.rows.split(VALIDATION_BATCH):
            yield _drawn(self.a, rows), _drawn(self.b, rows)


def _drawn(samples: Samples, rows: Tensor) -> Samples:
    inputs, targets = samples
    drawn = inputs[rows]

    return drawn, drawn if targets is inputs else targets[rows]


def epoch_seed(seed: int, epoch: int) -> int:
    r"""One seed out of two, different for every epoch of every seed below a million."""
    return seed * 1_000_003 + epoch


class PairData(pl.LightningDataModule):
    r"""What both networks learn from and are validated on, for a `Trainer`, which knows how many processes share it.

    Arguments:
        views: What the two networks see; kept as `views`, for callbacks that look at the networks.
        batch_size: As in `Batches`.
        seed: As in `Batches`.
    """

    def __init__(self, views: Sides, batch_size: int, seed: int = 0) -> None:
        super().__init__()
        self.views, self.batch_size, self.seed = views, batch_size, seed

    def train_dataloader(self) -> Batches:
        return Batches(
            self.views.a.samples, self.views.b.samples, self.batch_size, self.seed, *self._processes
        )

    def val_dataloader(self) -> InOrder:
        return InOrder(*self.views.validation, *self._processes)

    @property
    def _processes(self) -> tuple[int, int]:
        r"""Which of how many processes this is."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

r"""Any number of networks that train side by side at the same inputs, each on targets of its own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules.data.batches import ByEpoch, check_batch_size, epoch_seed
from lightning_modules.pair import loss

__all__ = ["CommonBatches", "SideBySide"]

#: Inputs, and what each network should answer there, by its name.
Batch = tuple[Tensor, dict[str, Tensor]]


class CommonBatches(ByEpoch):
    r"""Batches of inputs with every network's targets, in an order that only `(seed, epoch)` determine.

    Arguments:
        inputs: Inputs, `(n, ...)`.
        targets: By the networks' names, `(n, ...)` each.
        batch_size: Samples in a batch, at most n; what does not fill a last one is left out.
        seed: Of the orders.

    Raises:
        ValueError: If a batch does not lie between one and all samples.
    """

    def __init__(self, inputs: Tensor, targets: Mapping[str, Tensor], batch_size: int, seed: int) -> None:
        check_batch_size(batch_size, len(inputs), "lower data.batch_size")
        self.inputs, self.targets, self.batch_size, self.seed = inputs, targets, batch_size, seed

    def __len__(self) -> int:
        return len(self.inputs) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        order = torch.randperm(len(self.inputs), generator=generator)

        for rows in order[: len(self) * self.batch_size].split(self.batch_size):
            yield self.inputs[rows], {name: each[rows] for name, each in self.targets.items()}


class SideBySide(pl.LightningModule):
    r"""Networks that share inputs, an optimizer and nothing else: each makes the steps that it would alone.

    Arguments:
        networks: By name.
        optimizer: From parameter groups to their optimizer, which treats each parameter by itself, as SGD and Adam do.
        scheduler: From the optimizer and `steps_per_epoch` to its schedule; None for a learning rate that stays.
        config: The resolved settings of the run, which go into every checkpoint.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(dict(networks))
        self.optimizer, self.scheduler, self.config = optimizer, scheduler, dict(config or {})

    def training_step(self, batch: Batch, index: int) -> Tensor:
        inputs, targets = batch
        losses = {name: loss(network(inputs), targets[name]) for name, network in self.networks.items()}
        self.log_dict(
            {f"loss_{name}": each for name, each in losses.items()},
            on_step=False,
            on_epoch=True,
            batch_size=len(inputs),
        )

        return torch.stack(list(losses.values())).sum()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self.optimizer([{"params": list(each.parameters())} for each in self.networks.values()])

        if self.scheduler is None:
            return optimizer

        self.trainer.fit_loop.setup_data()
        schedule = self.scheduler(optimizer, steps_per_epoch=int(self.trainer.num_training_batches))

        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config

r"""Two networks that train side by side and share nothing."""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightning_modules.data.batches import Samples, epoch_seed
from lightning_modules.matcher import Matcher, Sides
from lightning_modules.probed import Probed
from lightning_modules.settings import check_settings

__all__ = ["LOGGED", "NetworkPair", "build_networks", "build_pair", "constructor", "loss"]


#: Numbers that training logs, for callbacks that watch one.
LOGGED = ("loss_a", "loss_b", "val_loss", "val_loss_a", "val_loss_b")
#: What steps the learning rates.
Schedule = LRScheduler | ReduceLROnPlateau


def loss(predicted: Tensor, target: Tensor) -> Tensor:
    r"""The mean squared error of values; of labels, which are integers, the cross-entropy."""
    return mse_loss(predicted, target) if target.is_floating_point() else cross_entropy(predicted, target)


class NetworkPair(pl.LightningModule):
    r"""A and B, each trained on its own samples, in one fit by one optimizer.

    The parameters are disjoint and the loss is the sum of both losses, so that one optimizer with two parameter
    groups makes exactly the steps that two would, if it treats each parameter by itself, as SGD and Adam do:
    neither network feels the other. For the same reason gradients are clipped, if at all, by the norm of each
    network, never of both.

    A schedule that takes `steps_per_epoch`, as `warmup_cosine` and torch's `OneCycleLR` do, is told them and
    stepped after every step of the optimizer; any other after every epoch, those on a plateau by `val_loss`.

    Arguments:
        network_a: A, which maps a batch of inputs to predictions of its targets.
        network_b: B, likewise.
        optimizer: From parameter groups to their optimizer; None for a pair that is not to be trained.
        scheduler: From the optimizer to its schedule; None for learning rates that stay.
        seed: Of whatever the networks draw at random while they train.
        config: The resolved settings of the run, a plain dictionary that goes into every checkpoint.
    """

    def __init__(
        self,
        network_a: nn.Module,
        network_b: nn.Module,
        optimizer: Callable[..., Optimizer] | None = None,
        scheduler: Callable[..., Schedule] | None = None,
        seed: int = 0,
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network_a = network_a
        self.network_b = network_b
        self.optimizer, self.scheduler = optimizer, scheduler
        self.seed, self.config = seed, config or {}
        self.losses: tuple[Tensor, Tensor] | None = None

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(epoch_seed(self.seed, self.current_epoch))

    def training_step(self, batch: tuple[Samples, Samples], index: int) -> Tensor:
        return self._loss(batch, "loss")

    def validation_step(self, batch: tuple[Samples, Samples], index: int) -> None:
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(epoch_seed(self.seed, index))  # the same at every epoch
            self.log("val_loss", self._loss(batch, "val_loss"), batch_size=len(batch[0][0]), sync_dist=True)

    def _loss(self, batch: tuple[Samples, Samples], name: str) -> Tensor:
        r"""The sum of both networks' losses, each of which is logged, averaged over the epoch."""
        (inputs_a, targets_a), (inputs_b, targets_b) = batch
        loss_a = loss(self.network_a(inputs_a), targets_a)
        loss_b = loss(self.network_b(inputs_b), targets_b)
        self.losses = loss_a.detach(), loss_b.detach()  # of this batch, for the display
        self.log_dict(
            {f"{name}_a": loss_a, f"{name}_b": loss_b},
            on_step=False,
            on_epoch=True,
            batch_size=len(inputs_a),
            sync_dist=True,
        )

        return loss_a + loss_b

    def matcher(
        self,
        sides: Sides,
        anchors: int = 3,
        module_a: str = "network_a",
        module_b: str = "network_b",
        layers_a: Sequence[str] | None = None,
        layers_b: Sequence[str] | None = None,
        neurons_a: int | str | Sequence[Sequence[int]] | None = None,
        neurons_b: int | str | Sequence[Sequence[int]] | None = None,
        method: str = "auto",
        tolerance: float = 0.05,
        confidence: float = 0.95,
        sample: int | None = None,
        seed: int = 0,
    ) -> Matcher:
        r"""What compares the two networks.

        Arguments:
            sides: As in `Matcher`, likewise `anchors`, `sample` and `seed`.
            anchors: As in `Matcher`.
            module_a: Name of the module of the pair that is probed for A.
            module_b: The same for B.
            layers_a: Names of layers in it, as in `equiv.probe`; None for its output.
            layers_b: The same for B.
            neurons_a: Which neurons of these layers, as in `Probed`: a number, lists of indices, "fewest", or None.
            neurons_b: The same for B.
            method: As in `equiv.compare`, likewise `tolerance` and `confidence`.
            tolerance: As in `equiv.compare`.
            confidence: As in `equiv.compare`.
            sample: As in `Matcher`.
            seed: As in `Matcher`.

        Raises:
            ValueError: As `Matcher` and `Probed`.
        """
        return Matcher(
            sides,
            Probed(module_a, layers_a, neurons_a),
            Probed(module_b, layers_b, neurons_b),
            anchors,
            sample,
            seed,
            method=method,
            tolerance=tolerance,
            confidence=confidence,
        )

    def optimizing(self) -> Optimizer:
        r"""A new optimizer of both networks, each in a group of its own.

        Raises:
            ValueError: If the pair is not to be trained.
        """
        if self.optimizer is None:
            raise ValueError("'optimizer' should be given to a pair that is to be trained, got None.")

        networks = self.network_a, self.network_b

        return self.optimizer([{"params": list(network.parameters())} for network in networks])

    def scheduling(self, optimizer: Optimizer, steps_per_epoch: int) -> Schedule | None:
        r"""A new schedule of the optimizer; None where its rates stay."""
        if self.scheduler is None:
            return None

        return self.scheduler(optimizer, **({"steps_per_epoch": steps_per_epoch} if self._by_step else {}))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self.optimizing()
        schedule = self.scheduling(optimizer, self._steps_per_epoch if self._by_step else 1)

        if schedule is None:
            return optimizer

        interval = "step" if self._by_step else "epoch"

        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": interval, "monitor": "val_loss"},
        }

    @property
    def _by_step(self) -> bool:
        r"""Whether the schedule goes by steps of the optimizer."""
        return (
            self.scheduler is not None and "steps_per_epoch" in inspect.signature(self.scheduler).parameters
        )

    @property
    def _steps_per_epoch(self) -> int:
        r"""Steps of the optimizer in an epoch; Lightning counts the batches after it has asked for optimizers."""
        self.trainer.fit_loop.setup_data()
        batches = self.trainer.num_training_batches

        return math.ceil(batches / self.trainer.accumulate_grad_batches) if math.isfinite(batches) else 1

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        for network in (self.network_a, self.network_b):
            if gradient_clip_val and gradient_clip_algorithm == "value":
                nn.utils.clip_grad_value_(network.parameters(), gradient_clip_val)
            elif gradient_clip_val:
                nn.utils.clip_grad_norm_(network.parameters(), gradient_clip_val)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config


def build_pair(config: dict[str, Any]) -> NetworkPair:
    r"""The pair that resolved settings describe, with new weights that `config["seed"]` determines.

    Raises:
        ValueError: If the optimizer or its schedule has arguments that its class does not take.
    """
    return NetworkPair(
        **build_networks(config),
        optimizer=constructor("optimizer", config["optimizer"]),
        scheduler=constructor("scheduler", config["scheduler"]),
        seed=config["seed"],
        config=config,
    )


def constructor(name: str, settings: dict[str, Any]) -> Callable[..., Any] | None:
    r"""What settings with `_target_` and `_partial_: true` describe; None where there are none.

    Raises:
        ValueError: If an argument is none of the class's, or `_partial_` is missing.
    """
    if not settings:
        return None

    check_settings({name: settings}, {})

    if not isinstance(made := instantiate(settings), partial):
        raise ValueError(f"{name!r} should have _partial_: true, for what it is made from comes later.")

    return made


def build_networks(config: dict[str, Any]) -> dict[str, nn.Module]:
    r"""Both networks, new; the random state is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(config["seed"])

        return {name: instantiate(each) for name, each in config["architecture"].items()}

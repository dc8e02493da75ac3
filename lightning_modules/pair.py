r"""Two networks that train side by side and share nothing."""

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from lightning_modules.batches import Samples, epoch_seed

__all__ = ["NetworkPair", "build_pair", "load_pair", "loss", "resume_from"]

#: Settings that a resumed run has to share with the run that it goes on from.
SHARED = ("seed", "relation", "dataset", "architecture", "optimizer")
#: Settings of the data that training knows nothing of.
UNTRAINED = ("cache", "workers", "n_anchors", "n_held_out", "burst_step", "burst_size")


def loss(predicted: Tensor, target: Tensor) -> Tensor:
    r"""The mean squared error of values; of labels, which are integers, the cross-entropy."""
    return mse_loss(predicted, target) if target.is_floating_point() else cross_entropy(predicted, target)


class NetworkPair(pl.LightningModule):
    r"""A and B, each trained on its own samples, in one fit by one optimizer.

    The parameters are disjoint and the loss is the sum of both losses, so that one Adam with two parameter
    groups makes exactly the steps that two would: neither network feels the other. For the same reason
    gradients are clipped, if at all, by the norm of each network, never of both.

    The learning rate rises linearly over `warmup_epochs`, falls along a cosine until `schedule_epochs`, and
    stays at its last value, `final` times the largest, from there on. It does not depend on how long the
    trainer is told to go on, so that a run that is resumed is the run that was not interrupted.

    Arguments:
        network_a: A, which maps a batch of inputs to predictions of its targets.
        network_b: B, likewise.
        lr: Largest learning rate of AdamW, for both.
        schedule_epochs: Epochs after which the learning rate has fallen to the last value.
        warmup_epochs: Epochs over which it rises, below `schedule_epochs`.
        final: Last learning rate as a share of the largest, in (0, 1].
        weight_decay: Of AdamW.
        seed: Of whatever the networks draw at random while they train.
        config: The resolved settings of the run, a plain dictionary that goes into every checkpoint.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        network_a: nn.Module,
        network_b: nn.Module,
        lr: float = 4e-3,
        schedule_epochs: float = 20,
        warmup_epochs: float = 2,
        final: float = 0.01,
        weight_decay: float = 0.0,
        seed: int = 0,
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()

        if not lr > 0:
            raise ValueError(f"'lr' should be above 0, got {lr}; try 0.004.")

        if not 0 <= warmup_epochs < schedule_epochs:
            raise ValueError(
                f"'warmup_epochs' should lie between 0 and 'schedule_epochs' = {schedule_epochs}, "
                f"got {warmup_epochs}."
            )

        if not 0 < final <= 1:
            raise ValueError(
                f"'final' should lie in (0, 1], a share of the largest rate, got {final}; try 0.01."
            )

        self.network_a = network_a
        self.network_b = network_b
        self.lr, self.weight_decay, self.seed = lr, weight_decay, seed
        self.schedule_epochs, self.warmup_epochs, self.final = schedule_epochs, warmup_epochs, final
        self.config = config or {}

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(epoch_seed(self.seed, self.current_epoch))

    def training_step(self, batch: tuple[Samples, Samples], index: int) -> Tensor:
        (inputs_a, targets_a), (inputs_b, targets_b) = batch
        loss_a = loss(self.network_a(inputs_a), targets_a)
        loss_b = loss(self.network_b(inputs_b), targets_b)
        self.log_dict(
            {"loss_a": loss_a, "loss_b": loss_b},
            on_step=False,
            on_epoch=True,
            batch_size=len(inputs_a),
            sync_dist=True,
        )

        return loss_a + loss_b

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        groups = [{"params": list(network.parameters())} for network in (self.network_a, self.network_b)]
        optimizer = torch.optim.AdamW(groups, lr=self.lr, weight_decay=self.weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.share(self.epochs(step)))

        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def epochs(self, step: int) -> float:
        r"""Epochs that so many steps of the optimizer take; Lightning knows once the fit is under way."""
        return step * self.trainer.accumulate_grad_batches / self.trainer.num_training_batches

    def share(self, epoch: float) -> float:
        r"""The learning rate after so many epochs, as a share of the largest."""
        if epoch < self.warmup_epochs:
            return max(epoch / self.warmup_epochs, self.final)

        fallen = (epoch - self.warmup_epochs) / (self.schedule_epochs - self.warmup_epochs)

        return self.final + (1 - self.final) * (1 + math.cos(math.pi * min(fallen, 1.0))) / 2

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
    r"""The pair that resolved settings describe, with new weights that `config["seed"]` determines."""
    optimizer = {name: value for name, value in config["optimizer"].items() if name != "batch_size"}

    with torch.random.fork_rng():
        torch.manual_seed(config["seed"])
        networks = {name: instantiate(each) for name, each in config["architecture"].items()}

    return NetworkPair(**networks, **optimizer, seed=config["seed"], config=config)


def load_pair(path: str | Path) -> NetworkPair:
    r"""The pair of a checkpoint, built from its own settings and holding its weights, in eval mode.

    Raises:
        ValueError: If there is no such checkpoint.
    """
    checkpoint = _read(path)
    pair = build_pair(checkpoint["config"])
    pair.load_state_dict(checkpoint["state_dict"])

    return pair.eval()


def resume_from(folder: str | Path | None, config: dict[str, Any]) -> Path | None:
    r"""The checkpoint in a run's folder, for a run with these settings to go on from; None without a folder.

    Raises:
        ValueError: If the folder holds no checkpoint, or one of other data, architecture, optimizer or seed.
    """
    if folder is None:
        return None

    path = Path(folder) / "checkpoints" / "last.ckpt"
    before, now = (_trained_by(each) for each in (_read(path)["config"], config))

    for name in SHARED:
        if before.get(name) != now.get(name):
            raise ValueError(
                f"'resume' should name a run with the same {name}, got {str(folder)!r} with "
                f"{_difference(name, before.get(name), now.get(name))}; give this run the same settings."
            )

    return path


def _trained_by(config: dict[str, Any]) -> dict[str, Any]:
    r"""The settings without those of the data that do not touch training."""
    data = {name: value for name, value in config["dataset"].items() if name not in UNTRAINED}

    return config | {"dataset": data}


def _read(path: str | Path) -> dict[str, Any]:
    if not Path(path).is_file():
        raise ValueError(
            f"'path' should be a checkpoint, and there is no file {str(path)!r}; give the folder of a run "
            "that was finished or interrupted."
        )

    return torch.load(path, map_location="cpu", weights_only=True)


def _difference(name: str, before: Any, now: Any) -> str:
    r"""The first setting that differs, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*now, *before]:
            if before.get(key) != now.get(key):
                return _difference(f"{name}.{key}", before.get(key), now.get(key))

    return f"{name}={before} where this run has {now}"

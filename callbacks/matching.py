r"""When to probe the two networks and to compare them, and what to log of it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import pytorch_lightning as pl

import equiv
from callbacks.progress import TrainingProgress

__all__ = ["Matching"]


class Match(Protocol):
    r"""One comparison."""

    @property
    def result(self) -> equiv.Comparison: ...


class Matcher(Protocol):
    r"""Observes two networks, on all inputs or on a sample, and compares what it observed so."""

    def observed(self, pair: pl.LightningModule, whole: bool) -> Any: ...

    def match(self, pair: pl.LightningModule, observed: Any, whole: bool) -> Match: ...


class Networks(Protocol):
    r"""A module that holds both networks."""

    def matcher(self, views: Any, **settings: Any) -> Matcher: ...


class Data(Protocol):
    r"""A data module that knows what the networks are probed with."""

    @property
    def views(self) -> Any: ...


class Matching(pl.Callback):
    r"""Lets the module of the fit compare its two networks, at chosen epochs and at the end, and logs it.

    The module's `matcher` does it, with the `views` of the trainer's data module. Nothing that trains is touched: no
    parameter, no mode, no random state. Processes that train together each probe their part of the inputs; the first
    one compares. How far it is, the trainer's `TrainingProgress` shows, if it has one.

    Arguments:
        every_n_epochs: Compare after every so many epochs; 0 for the end alone.
        epochs: Compare after these numbers of epochs too; 0 is before training.
        sample: How many inputs of each side to probe before the end, for less time; None for all. The anchors
            are always among them.
        **settings: What is observed and how it is compared, see `NetworkPair.matcher`.

    Attributes:
        matcher: What compares, once a fit has begun.
        matches: Every comparison, by epochs trained; of the first process alone.
        epoch: How many epochs were trained when it compared last; None before.
        whole: Whether it then probed all inputs.
        seconds: Time spent in here.

    Raises:
        ValueError: If a number is out of its range; those of the settings are looked at when a fit begins.
    """

    def __init__(
        self,
        every_n_epochs: int = 0,
        epochs: Sequence[int] = (),
        sample: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()

        if every_n_epochs < 0:
            raise ValueError(f"'every_n_epochs' should be at least 0 (the end alone), got {every_n_epochs}.")

        self.every_n_epochs, self.epochs = every_n_epochs, set(epochs)
        self.settings = settings | {"sample": sample}
        self.matches: dict[int, Match] = {}
        self.epoch: int | None = None
        self.whole = False
        self.seconds = 0.0

    @property
    def last(self) -> Match:
        r"""The last comparison.

        Raises:
            ValueError: If there is none in this process, for others did the training.
        """
        if not self.matches:
            raise ValueError(
                "'trainer.strategy' should let this process be the first of those that train, for spawned and "
                "forked ones hand nothing back; use trainer.strategy=ddp."
            )

        return self.matches[max(self.matches)]

    def due(self, epoch: int) -> bool:
        r"""Whether to compare after so many epochs, the last ones apart."""
        return epoch in self.epochs or bool(
            self.every_n_epochs and epoch and epoch % self.every_n_epochs == 0
        )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        networks, data = cast(Networks, pl_module), cast(Data, trainer.datamodule)  # type: ignore[attr-defined]
        self.matcher = networks.matcher(data.views, **self.settings)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 0 and self.due(0):
            self.match(trainer, pl_module, 0, whole=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1

        if self.due(epoch):
            self.match(trainer, pl_module, epoch, whole=epoch == trainer.max_epochs)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch != self.epoch or not self.whole:
            self.match(trainer, pl_module, trainer.current_epoch, whole=True)

    def compare(self, pair: pl.LightningModule, views: Any, show: Callable[[int, int, str], None]) -> None:
        r"""Compares the two networks of a pair that is trained already, without a fit."""
        start = time.perf_counter()
        self.matcher = cast(Networks, pair).matcher(views, **self.settings)
        show(0, 2, "matching")
        observed = self.matcher.observed(pair, True)
        show(1, 2, "matching")
        self.matches[0] = self.matcher.match(pair, observed, True)
        show(2, 2, "matching")
        self.seconds += time.perf_counter() - start

    def match(self, trainer: pl.Trainer, pair: pl.LightningModule, epoch: int, whole: bool) -> None:
        r"""Compares the two networks as they are after so many epochs, and logs what was found."""
        start, before, last = time.perf_counter(), len(self.matches), trainer.max_epochs or epoch
        steps = 2 * max(before + 1, sum(self.due(k) or k == last for k in range(last + 1)))
        _show(trainer, 2 * before, steps)
        self.epoch, self.whole = epoch, whole or self.settings["sample"] is None
        observed = self.matcher.observed(pair, whole)

        if not trainer.is_global_zero:
            return

        _show(trainer, 2 * before + 1, steps)
        self.matches[epoch] = self.matcher.match(pair, observed, whole)
        _show(trainer, 2 * before + 2, steps)
        seconds = time.perf_counter() - start
        self.seconds += seconds
        numbers = _numbers(self.matches[epoch].result) | {"matching/seconds": seconds, "epoch": epoch}

        for logger in trainer.loggers:
            logger.log_metrics(numbers, step=trainer.global_step)


def _show(trainer: pl.Trainer, done: int, steps: int) -> None:
    for each in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(each, TrainingProgress):
            each.show(done, steps, "matching")


def _numbers(result: equiv.Comparison) -> dict[str, Any]:
    r"""What is followed through training, numbers alone: of the verdicts the one that holds is 1."""
    numbers = {f"matching/{verdict}": float(result.verdict == verdict) for verdict in equiv.Verdict}

    for name, direction in (("a_to_b", result.a_to_b), ("b_to_a", result.b_to_a)):
        numbers |= {f"matching/{name}_{bound}": x for bound, x in direction.error._asdict().items()}

    for name, x in result.diagnostics.items():
        if isinstance(x, int | float):
            numbers[f"matching/{name}"] = float(x)
        elif name.startswith("eigenvalues"):
            numbers |= {f"matching/{name}/{k}": float(value) for k, value in enumerate(x)}

    return numbers

r"""When to probe the two networks and to compare them, and what to log of it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import pytorch_lightning as pl

import equiv
from callbacks.progress import TrainingProgress
from equiv.layers.matrix import restored_matrix

__all__ = ["Matching"]


class Match(Protocol):
    r"""One comparison."""

    @property
    def result(self) -> equiv.Comparison: ...


class Matcher(Protocol):
    r"""Observes two networks, on all inputs or on a sample, and compares what it observed so.

    A checkpoint keeps a comparison as plain numbers, words and tensors.
    """

    def kept(self, match: Any) -> dict[str, Any]: ...

    def restored(self, kept: dict[str, Any]) -> Match: ...

    def observed(self, pair: pl.LightningModule, whole: bool) -> Any: ...

    def match(self, pair: pl.LightningModule, observed: Any, whole: bool) -> Match: ...

    def match_layers(self, pair: pl.LightningModule) -> equiv.LayerMatrix: ...


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
        layers: "all": find the errors between all layers of the two as well, at inputs that show both the same hidden
            states and that neither was trained on. None: none of that.
        leave: Called with each such matrix, the epochs trained and the trainer: writes and logs it as it forms.
        **settings: What is observed and how it is compared, see `NetworkPair.matcher`.

    Attributes:
        matcher: What compares, once a fit has begun.
        matches: Every comparison, by epochs trained; of the first process alone.
        matrices: Every matrix of layers, likewise.
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
        layers: str | None = None,
        leave: Callable[[equiv.LayerMatrix, int, pl.Trainer], None] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()

        if every_n_epochs < 0:
            raise ValueError(f"'every_n_epochs' should be at least 0 (the end alone), got {every_n_epochs}.")

        if layers not in (None, "all"):
            raise ValueError(
                f"'layers' should be null or 'all', got {layers!r}; name the layers of each side by layers_a=[...]."
            )

        self.every_n_epochs, self.epochs = every_n_epochs, set(epochs)
        self.settings = settings | {"sample": sample}
        self.layers, self.leave = layers, leave
        self.matches: dict[int, Match] = {}
        self.matrices: dict[int, equiv.LayerMatrix] = {}
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

    def state_dict(self) -> dict[str, Any]:
        return {
            "matches": {epoch: self.matcher.kept(match) for epoch, match in self.matches.items()},
            "matrices": {epoch: matrix.to_dict() for epoch, matrix in self.matrices.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        r"""Takes up the comparisons of the run that goes on, but for one that was made since it ended."""
        self.matches |= {e: self.matcher.restored(m) for e, m in state_dict["matches"].items() if self.due(e)}
        self.matrices |= {e: restored_matrix(m) for e, m in state_dict["matrices"].items() if self.due(e)}

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

        if self.layers is not None:
            self.matrices[epoch] = self.matcher.match_layers(pair)

            if self.leave is not None:
                self.leave(self.matrices[epoch], epoch, trainer)

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

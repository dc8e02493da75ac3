r"""A callback of Lightning that compares the module in training with a reference network."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torch import nn

from equiv.checks import check_integer
from equiv.compare import compare
from equiv.comparison import Comparison
from equiv.layers.compare import compare_layers
from equiv.layers.matrix import LayerMatrix
from equiv.observe.observations import Observations
from equiv.probing.inputs import gathered_inputs
from equiv.verdict import Verdict

if "lightning.pytorch" in sys.modules:  # the one package under two names: that which the program uses
    from lightning.pytorch import Callback, LightningModule, Trainer  # type: ignore[import-not-found]
else:
    from pytorch_lightning import Callback, LightningModule, Trainer

__all__ = ["Compare"]


class Compare(Callback):
    r"""Compares any LightningModule (A) with a reference network (B) while it trains, on inputs of its own.

    After every so many epochs, and when training ends, both errors with their bounds and the verdict are logged, to
    all loggers and for callbacks that monitor them: `compare/a_to_b`, `compare/a_to_b_low`, `compare/a_to_b_high`,
    likewise `b_to_a`, and `compare/equivalent`, `compare/a_determines_b` and so on, of which one is 1. Nothing that
    trains is touched: no parameter, no mode, no random state. Of several processes the first one compares.

    With `layers="all"` every layer is compared with every layer of the reference, as by `equiv.compare_layers`: logged
    are, of each layer of A, the errors to and from the one that answers to it, `compare/LAYER/a_to_b` and
    `compare/LAYER/b_to_a`, NaN where none does, and to Weights & Biases the whole matrix, as a table `compare/layers`.

    Arguments:
        reference: A network, a callable, or observations recorded at these inputs; for all layers a network, or a dict
            of recorded arrays by layer name.
        inputs: What both are shown, as in `equiv.compare`: none of the training inputs, for its errors to be those
            on fresh ones.
        layers: Layers of the module in training, and of the reference if nothing else is said; None: the outputs;
            "all": the matrix of them.
        every_n_epochs: Compare after every so many epochs.
        reference_layers: Layers of the reference.
        name: What the names of all that is logged begin with.
        **options: Of `equiv.compare`: `tolerance`, `positions`, `groups`, `readout_a` and others; for all layers of
            `equiv.compare_layers`.

    Attributes:
        results: The comparisons, by epochs trained; of the first process alone.

    Raises:
        TypeError: If `every_n_epochs` is no integer.
        ValueError: If it is below 1. What else does not fit is said by the first comparison.

    Example:
        >>> import torch
        >>> from pytorch_lightning import Trainer
        >>> watch = Compare(nn.Linear(2, 3), torch.rand(200, 2), every_n_epochs=2)
        >>> trainer = Trainer(callbacks=[watch], logger=False)  # then .fit(any module of two inputs), watch.results
    """

    def __init__(
        self,
        reference: nn.Module | Callable[..., Any] | Observations | Mapping[str, Any],
        inputs: Any,
        layers: Sequence[str] | Literal["all"] | None = None,
        every_n_epochs: int = 5,
        *,
        reference_layers: Sequence[str] | None = None,
        name: str = "compare",
        **options: Any,
    ) -> None:
        super().__init__()
        self.every_n_epochs = check_integer(every_n_epochs, "every_n_epochs")
        self.reference, self.inputs = reference, gathered_inputs(inputs)
        self.name = name
        self.compare: Callable[..., Comparison | LayerMatrix]

        if layers == "all":
            self.compare = compare_layers
            self.options = options | {"layers_b": reference_layers}
        else:
            same = None if isinstance(reference, Observations) else layers
            named = {"layers_a": layers, "layers_b": same if reference_layers is None else reference_layers}
            self.compare = compare
            self.options = options | named | {"paired": True}

        self.results: dict[int, Comparison | LayerMatrix] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1

        if epoch % self.every_n_epochs == 0 and trainer.is_global_zero:
            pl_module.log_dict(self._numbers(pl_module, epoch), rank_zero_only=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch

        if epoch not in self.results and trainer.is_global_zero:
            numbers = self._numbers(pl_module, epoch)

            for logger in trainer.loggers:  # modules may log no more
                logger.log_metrics(numbers, step=trainer.global_step)

    def _numbers(self, module: LightningModule, epoch: int) -> dict[str, float]:
        r"""Compares, and returns what is logged of it."""
        found = self.compare(module, self.reference, self.inputs, **self.options)
        self.results[epoch] = found

        if isinstance(found, LayerMatrix):
            _log_table(module.trainer.loggers, f"{self.name}/layers", found.pairs())
            numbers = _of_layers(found)
        else:
            numbers = _of_comparison(found)

        return {f"{self.name}/{key}": value for key, value in numbers.items()}


def _of_comparison(found: Comparison) -> dict[str, float]:
    r"""Both errors with their bounds, and the verdict."""
    numbers = {str(verdict): float(found.verdict == verdict) for verdict in Verdict}

    for direction, error in (("a_to_b", found.a_to_b.error), ("b_to_a", found.b_to_a.error)):
        numbers |= {
            direction: error.estimate,
            f"{direction}_low": error.low,
            f"{direction}_high": error.high,
        }

    return numbers


def _of_layers(found: LayerMatrix) -> dict[str, float]:
    r"""Errors to and from the layer that answers, for each layer of A."""
    return {
        f"{layer or 'output'}/{direction}": math.nan if match is None else getattr(match, direction)
        for layer, match in zip(found.layers_a, found.matches, strict=True)
        for direction in ("a_to_b", "b_to_a")
    }


def _log_table(loggers: Sequence[Any], name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    r"""The rows as a table, for those loggers that have any."""
    for logger in loggers:
        if type(logger).__name__ == "WandbLogger":
            import wandb

            table = wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])
            logger.experiment.log({name: table})

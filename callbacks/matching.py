r"""When to probe the two networks and to compare them, and what to log of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import equiv
from callbacks.probed import Probed
from equiv.observe.processes import gathered, part

__all__ = ["Match", "Matching", "rotated"]


class Side(Protocol):
    r"""What one network is probed with."""

    @property
    def probe(self) -> Tensor: ...

    @property
    def frames(self) -> dict[str, Any]: ...


class Sides(Protocol):
    r"""Two such sides, each in its own order, and the rows of either that show the same hidden state."""

    @property
    def a(self) -> Side: ...

    @property
    def b(self) -> Side: ...

    @property
    def anchors(self) -> Tensor: ...


@dataclass(frozen=True)
class Match:
    r"""One comparison, and what it was made of.

    Attributes:
        result: The comparison.
        observations: What was compared, A's and B's.
        probed_a: What was observed of A, and is observed of fresh inputs in the same way.
        probed_b: The same for B.
        weights: Of both networks at that moment.
    """

    result: equiv.Comparison
    observations: tuple[equiv.Observations, equiv.Observations]
    probed_a: Probed
    probed_b: Probed
    weights: dict[str, Tensor]


class Matching(pl.Callback):
    r"""Probes a few neurons of both networks at chosen epochs and at the end, and lets `equiv` compare them.

    The two sides come shuffled, each by itself, and every frame is rotated at random before it is handed
    over: neither the order nor the orientation can tell which samples belong together. Nothing that trains is
    touched: no parameter, no mode, no random state. Processes that train together each probe their part of
    the inputs; the first one compares.

    Arguments:
        sides: The probe inputs with what gives their frames, and the anchors.
        anchors: How many of the anchors to use, at most as many as `sides` has; 0 for none.
        module_a: Name of the module of the pair that is probed for A.
        module_b: The same for B.
        layers_a: Names of layers in it, as in `equiv.probe`; None for its output.
        layers_b: The same for B.
        neurons_a: Which neurons of these layers, as in `Probed`: a number, lists of indices, "fewest", or None.
        neurons_b: The same for B.
        method: As in `equiv.compare`.
        tolerance: As in `equiv.compare`.
        confidence: As in `equiv.compare`.
        every_n_epochs: Compare after every so many epochs; 0 for the end alone.
        epochs: Compare after these numbers of epochs too; 0 is before training.
        sample: How many inputs of each side to probe before the end, for less time; None for all. The anchors
            are always among them.
        seed: Of the frames' rotations and of the comparison.
        progress: Called as `progress(done, total, label)` as the matching goes on.

    Attributes:
        matches: Every comparison, by epochs trained; of the first process alone.
        epoch: How many epochs were trained when it compared last; None before.
        whole: Whether it then probed all inputs.
        seconds: Time spent in here.

    Raises:
        ValueError: If there are fewer anchors than asked for, or a number of neurons is not positive.
    """

    def __init__(
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
        every_n_epochs: int = 0,
        epochs: Sequence[int] = (),
        sample: int | None = None,
        seed: int = 0,
        progress: Callable[[int, int, str], None] = lambda done, total, label: None,
    ) -> None:
        if not 0 <= anchors <= len(sides.anchors):
            raise ValueError(
                f"'anchors' should lie between 0 and the {len(sides.anchors)} of the data set, got {anchors}."
            )

        if every_n_epochs < 0:
            raise ValueError(f"'every_n_epochs' should be at least 0 (the end alone), got {every_n_epochs}.")

        self.sides, self.anchors = sides, anchors
        self.probed_a = Probed(module_a, layers_a, neurons_a)
        self.probed_b = Probed(module_b, layers_b, neurons_b)
        if sample is not None and sample < len(sides.anchors) + 3:
            raise ValueError(
                f"'sample' should be null or at least {len(sides.anchors) + 3}, the anchors and more, got {sample}."
            )

        self.every_n_epochs, self.epochs, self.seed = every_n_epochs, set(epochs), seed
        self.sample, self.progress = sample, progress
        self.settings: dict[str, Any] = {
            "method": method,
            "tolerance": tolerance,
            "confidence": confidence,
            "seed": seed,
        }
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

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 0 and self.due(0):
            self.match(trainer, pl_module, 0, self.sample)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1

        if self.due(epoch):
            self.match(trainer, pl_module, epoch, None if epoch == trainer.max_epochs else self.sample)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch != self.epoch or not self.whole:
            self.match(trainer, pl_module, trainer.current_epoch)

    def match(
        self, trainer: pl.Trainer, pair: pl.LightningModule, epoch: int, sample: int | None = None
    ) -> None:
        r"""Compares the two networks as they are after so many epochs, and logs what was found."""
        start, before, last = time.perf_counter(), len(self.matches), trainer.max_epochs or epoch
        steps = 2 * max(before + 1, sum(self.due(k) or k == last for k in range(last + 1)))
        self.progress(2 * before, steps, "matching")
        self.epoch, self.whole = epoch, sample is None
        rows_a, rows_b = (self._rows(side, sample) for side in (0, 1))
        observed = [
            (probed, gathered(observations))
            for probed, observations in self._observed(
                pair, self.probed_a, self.probed_b, rows_a[part(len(rows_a))], rows_b[part(len(rows_b))]
            )
        ]
        anchors = (
            self.sides.anchors
            if sample is None
            else torch.arange(len(self.sides.anchors))[:, None].expand(-1, 2)
        )

        if not trainer.is_global_zero:
            return

        self.progress(2 * before + 1, steps, "matching")
        self.matches[epoch] = self._match(pair, observed, anchors[: self.anchors])
        self.progress(2 * before + 2, steps, "matching")
        seconds = time.perf_counter() - start
        self.seconds += seconds
        numbers = _numbers(self.matches[epoch].result) | {"matching/seconds": seconds, "epoch": epoch}

        for logger in trainer.loggers:
            logger.log_metrics(numbers, step=trainer.global_step)

    def compared(
        self, pair: nn.Module, probed_a: Probed, probed_b: Probed, anchors: int | None = None
    ) -> Match:
        r"""What comes of observing these activations of the two networks as they are, in this process alone.

        Arguments:
            pair: The module that holds both networks.
            probed_a: What to observe of A.
            probed_b: What to observe of B.
            anchors: How many anchors to use; None: as many as ever.
        """
        observed = self._observed(pair, probed_a, probed_b, self._rows(0), self._rows(1))

        return self._match(pair, observed, self.sides.anchors[: self.anchors if anchors is None else anchors])

    def _rows(self, side: int, sample: int | None = None) -> Tensor:
        r"""The rows of A's (0) or B's (1) inputs to probe: all, or the anchors and the first ones besides."""
        rows = torch.arange(len((self.sides.a, self.sides.b)[side].probe))

        if sample is None:
            return rows

        anchors = self.sides.anchors[:, side]

        return torch.cat([anchors, rows[~torch.isin(rows, anchors)]])[:sample]

    def _observed(
        self, pair: nn.Module, probed_a: Probed, probed_b: Probed, rows_a: Tensor, rows_b: Tensor
    ) -> list[tuple[Probed, equiv.Observations]]:
        r"""What is observed of A and of B at these rows of their inputs, with the neurons chosen."""
        observed = []

        for probed, side, rows in ((probed_a, self.sides.a, rows_a), (probed_b, self.sides.b, rows_b)):
            chosen = probed.chosen(pair, side.probe, side.frames)
            frames = {name: x[rows] if isinstance(x, Tensor) else x for name, x in side.frames.items()}
            observed.append((chosen, chosen(pair, side.probe[rows], **frames)))

        return observed

    def _match(
        self, pair: nn.Module, observed: Sequence[tuple[Probed, equiv.Observations]], anchors: Tensor
    ) -> Match:
        (probed_a, a), (probed_b, b) = observed
        observations = rotated(a, 2 * self.seed), rotated(b, 2 * self.seed + 1)
        result = equiv.compare(
            *observations, paired=False, anchors=anchors if len(anchors) else None, **self.settings
        )
        weights = {name: tensor.detach().clone() for name, tensor in pair.state_dict().items()}

        return Match(result, observations, probed_a, probed_b, weights)


def rotated(observations: equiv.Observations, seed: int) -> equiv.Observations:
    r"""The same observations with every frame turned by a random orthogonal matrix of its own.

    The Q of a Gaussian matrix with the signs of R's diagonal is uniformly distributed (Mezzadri 2007).
    """
    frames = observations.frames

    if frames is None:
        return observations

    n, _, m = frames.shape
    normal = torch.randn(n, m, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    turns = (q * r.diagonal(dim1=1, dim2=2).sign()[:, None]).to(frames)

    return equiv.Observations(observations.values, frames @ turns, burst_size=observations.burst_size)


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

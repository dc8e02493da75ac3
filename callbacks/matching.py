r"""When to probe the two networks and to compare them, and what to log of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import equiv

__all__ = ["Matching", "Probed", "rotated"]


class Side(Protocol):
    r"""What one network is probed with."""

    @property
    def probe(self) -> Tensor: ...

    @property
    def burst_std(self) -> float: ...

    def bursts(self, inputs: Tensor) -> Tensor: ...


class Sides(Protocol):
    r"""Two such sides, each in its own order, and the rows of either that show the same hidden state."""

    @property
    def a(self) -> Side: ...

    @property
    def b(self) -> Side: ...

    @property
    def anchors(self) -> Tensor: ...


@dataclass(frozen=True)
class Probed:
    r"""Which activations of a network are observed: arguments as in `Matching`."""

    module: str
    layers: Sequence[str] | None = None
    neurons: int | Sequence[Sequence[int]] | None = None

    def __call__(self, pair: nn.Module, inputs: Tensor, **frames: Any) -> equiv.Observations:
        r"""The observations of `inputs`; `frames` as in `equiv.probe`, none by default."""
        neurons = self.neurons

        if isinstance(neurons, int):
            neurons = [range(neurons)] * (1 if self.layers is None else len(self.layers))

        return equiv.probe(
            pair.get_submodule(self.module),
            inputs,
            layers=self.layers,
            neurons=None if neurons is None else [torch.tensor(list(each)) for each in neurons],
            **({"frames": None} | frames),
        )


class Matching(pl.Callback):
    r"""Probes a few neurons of both networks at chosen epochs and at the end, and lets `equiv` compare them.

    The two sides come shuffled, each by itself, and every frame is rotated at random before it is handed
    over: neither the order nor the orientation can tell which samples belong together. Nothing that trains is
    touched: no parameter, no mode, no random state.

    Arguments:
        sides: The probe inputs with their bursts, and the anchors.
        anchors: How many of the anchors to use, at most as many as `sides` has; 0 for none.
        module_a: Name of the module of the pair that is probed for A.
        module_b: The same for B.
        layers_a: Names of layers in it, as in `equiv.probe`; None for its output.
        layers_b: The same for B.
        neurons_a: How many neurons of each layer to observe, the first ones, or a list of indices for each
            layer; None for all.
        neurons_b: The same for B.
        dimension: Of the space of hidden states.
        method: As in `equiv.compare`.
        tolerance: As in `equiv.compare`.
        confidence: As in `equiv.compare`.
        every_n_epochs: Compare after every so many epochs; 0 for the end alone.
        seed: Of the frames' rotations and of the comparison.

    Attributes:
        result: The last comparison, or None.
        observations: What it compared, A's and B's.
        history: The numbers of every comparison, by epochs trained.
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
        neurons_a: int | Sequence[Sequence[int]] | None = None,
        neurons_b: int | Sequence[Sequence[int]] | None = None,
        dimension: int | None = None,
        method: str = "auto",
        tolerance: float = 0.05,
        confidence: float = 0.95,
        every_n_epochs: int = 0,
        seed: int = 0,
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
        self.dimension, self.every_n_epochs, self.seed = dimension, every_n_epochs, seed
        self.settings: dict[str, Any] = {
            "method": method,
            "tolerance": tolerance,
            "confidence": confidence,
            "seed": seed,
        }
        self.result: equiv.Comparison | None = None
        self.observations: tuple[equiv.Observations, equiv.Observations] | None = None
        self.history: dict[int, dict[str, Any]] = {}
        self.seconds = 0.0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self.match(trainer, pl_module, trainer.current_epoch + 1)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch not in self.history:
            self.match(trainer, pl_module, trainer.current_epoch)

    def match(self, trainer: pl.Trainer, pair: pl.LightningModule, epoch: int) -> None:
        r"""Compares the two networks as they are after so many epochs, and logs what was found."""
        if not trainer.is_global_zero:
            return

        start = time.perf_counter()
        self.observations = (
            self._observed(pair, self.probed_a, self.sides.a, 2 * self.seed),
            self._observed(pair, self.probed_b, self.sides.b, 2 * self.seed + 1),
        )
        anchors = self.sides.anchors[: self.anchors] if self.anchors else None
        self.result = equiv.compare(*self.observations, paired=False, anchors=anchors, **self.settings)
        self.history[epoch] = _numbers(self.result)
        self.seconds += time.perf_counter() - start

        for logger in trainer.loggers:
            logger.log_metrics(self.history[epoch] | {"epoch": epoch}, step=trainer.global_step)

    def _observed(self, pair: nn.Module, probed: Probed, side: Side, seed: int) -> equiv.Observations:
        observed = probed(
            pair, side.probe, frames=side.bursts, burst_std=side.burst_std, dimension=self.dimension
        )

        return rotated(observed, seed)


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
    r"""What is followed through training, numbers alone: the verdict is 1 where it is `equivalent`."""
    numbers = {"matching/equivalent": float(result.verdict == equiv.Verdict.EQUIVALENT)}

    for name, direction in (("a_to_b", result.a_to_b), ("b_to_a", result.b_to_a)):
        numbers |= {f"matching/{name}_{bound}": x for bound, x in direction.error._asdict().items()}

    diagnostics = {
        f"matching/{name}": float(x) for name, x in result.diagnostics.items() if isinstance(x, int | float)
    }

    return numbers | diagnostics

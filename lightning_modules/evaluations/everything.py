r"""All that there is of a network at given inputs: inputs, outputs and the neurons to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import equiv
from lightning_modules.evaluations.finding import relative_error

__all__ = ["Everything", "Learned"]

#: Variances of principal components below this share of the largest are left out.
NEGLIGIBLE = 1e-10


class Learned(NamedTuple):
    r"""A map from few neurons to everything, learned on its principal components where these are fewer.

    Attributes:
        found: From the neurons to the components.
        axes: The components' directions, `(d, c)`; None where everything is its own.
        middle: What they are reckoned from, `(d,)`.
    """

    found: equiv.Reconstruction
    axes: Tensor | None
    middle: Tensor

    def predict(self, neurons: Tensor) -> Tensor:
        r"""Neurons `(q, k)` to everything, `(q, d)`."""
        values = self.found.predict(neurons)

        return values if self.axes is None else values @ self.axes.T + self.middle


@dataclass(frozen=True)
class Everything:
    r"""Inputs, outputs and neurons of one network, side by side, each with a spread of 1.

    Attributes:
        values: Shape `(n, d)`.
        neurons: The neurons by themselves as they are, shape `(n, k)`.
        sizes: Columns of the three parts.
        scales: What each part is multiplied with to have a spread of 1.
        frames: Derivatives of the values along the frames, `(n, d, m)`; None where inputs have no tangents.
        neuron_frames: Those of the neurons, `(n, k, m)`; None without frames.
    """

    values: Tensor
    neurons: Tensor
    sizes: list[int]
    scales: list[float]
    frames: Tensor | None = None
    neuron_frames: Tensor | None = None

    @classmethod
    def of(
        cls,
        network: nn.Module,
        inputs: Tensor,
        layers: Sequence[str],
        frames: dict[str, Any] | None = None,
        scales: Sequence[float] | None = None,
    ) -> "Everything":
        r"""Of `network` at `inputs`; `frames` as in `equiv.probe`, `scales` those of other inputs."""
        given = frames or {"frames": None}
        output, inner = (equiv.probe(network, inputs, layers=each, **given) for each in (None, list(layers)))
        parts = [inputs.flatten(1), output.values, inner.values]
        factors = [1 / _spread(each) for each in parts] if scales is None else list(scales)
        pushed = None

        if isinstance(given["frames"], Tensor) and output.frames is not None and inner.frames is not None:
            along = [given["frames"], output.frames, inner.frames]
            pushed = torch.cat([factor * each for factor, each in zip(factors, along, strict=True)], dim=1)

        return cls(
            torch.cat([factor * each for factor, each in zip(factors, parts, strict=True)], dim=1),
            inner.values,
            [each.shape[1] for each in parts],
            factors,
            pushed,
            inner.frames,
        )

    def subset(self, samples: int) -> "Everything":
        r"""The same of the first so many inputs."""
        first = slice(0, samples)

        return replace(
            self,
            values=self.values[first],
            neurons=self.neurons[first],
            frames=None if self.frames is None else self.frames[first],
            neuron_frames=None if self.neuron_frames is None else self.neuron_frames[first],
        )

    @property
    def observations(self) -> equiv.Observations:
        r"""The neurons with their frames."""
        return equiv.Observations(self.neurons, self.neuron_frames)

    @cached_property
    def _components(self) -> tuple[Tensor, Tensor | None, Tensor]:
        r"""What is learned, `(n, c)`, the directions of these components, `(d, c)`, and the mean, `(d,)`.

        The principal components, or everything as it is, and None, where there are no fewer of them than columns.
        """
        n, d = self.values.shape
        middle = self.values.mean(dim=0)

        if self.frames is not None or d <= n:
            return self.values, None, middle

        centred = (self.values - middle).double()
        variance, mixed = torch.linalg.eigh(centred @ centred.T)
        kept = variance > NEGLIGIBLE * variance[-1]
        axes = (centred.T @ mixed[:, kept] / variance[kept].sqrt()).to(self.values)

        return (self.values - middle) @ axes, axes, middle

    def from_neurons(self, neurons: Tensor) -> Learned:
        r"""The map from these neurons to everything, learned here."""
        both = None

        if self.frames is not None and self.neuron_frames is not None:
            both = self.neuron_frames[:, neurons], self.frames

        target, axes, middle = self._components

        return Learned(equiv.reconstruct(self.neurons[:, neurons], target, frames=both), axes, middle)

    def predicted(self, learned: Learned, neurons: Tensor) -> "Everything":
        r"""What the map makes of these neurons here."""
        return replace(self, values=learned.predict(self.neurons[:, neurons]))

    @property
    def parts(self) -> tuple[Tensor, ...]:
        r"""Inputs, outputs and neurons as they are, flattened."""
        split = self.values.split(self.sizes, dim=1)

        return tuple(each / factor for each, factor in zip(split, self.scales, strict=True))

    def errors(self, true: "Everything") -> list[float]:
        r"""Relative errors of inputs, outputs and neurons."""
        return [relative_error(mine, right) for mine, right in zip(self.parts, true.parts, strict=True)]


def _spread(values: Tensor) -> float:
    return (values - values.mean(dim=0)).double().square().sum(dim=1).mean().sqrt().item()

r"""Which activations of a network are observed, and how few of them are enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

import equiv
from equiv.checks import nearest_name

__all__ = ["Probed", "fewest"]

#: The word for `fewest` in the settings.
FEWEST = "fewest"
#: Samples on which a choice of neurons is tested.
TEST_SAMPLES = 500


@dataclass(frozen=True)
class Probed:
    r"""The activations of a network that are observed.

    Attributes:
        module: Name of the module of the pair that is probed.
        layers: Names of layers in it, as in `equiv.probe`; None for its output.
        neurons: How many neurons of each layer to observe, the first ones; or a list of indices for each
            layer; or None for all; or "fewest": the last of the layers whole, and of the others the fewest
            neurons that are enough, see `fewest`. The layers are then by default the module's children.
    """

    module: str
    layers: Sequence[str] | None = None
    neurons: int | str | Sequence[Sequence[int]] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.neurons, str) and self.neurons != FEWEST:
            raise ValueError(
                f"'neurons' should be a number, a list of indices for each layer, null or {FEWEST!r}, got "
                f"{self.neurons!r}."
            )

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

    @property
    def output(self) -> "Probed":
        r"""The module's output alone, all of it."""
        return replace(self, layers=None, neurons=None)

    def checked(self, pair: nn.Module) -> "Probed":
        r"""The same with all neurons of its layers where they are still to be chosen.

        Raises:
            ValueError: If the pair has no module of that name.
        """
        modules = dict(pair.named_modules())

        if self.module not in modules:
            raise ValueError(
                f"'module' should be a module of the pair, got {self.module!r}{nearest_name(self.module, modules)}"
            )

        if self.neurons != FEWEST:
            return self

        layers = self.layers or [name for name, _ in modules[self.module].named_children()]

        return replace(self, layers=layers, neurons=None)

    def chosen(self, pair: nn.Module, inputs: Tensor, frames: Mapping[str, Any]) -> "Probed":
        r"""The same with the neurons named one by one, where they are to be chosen."""
        if self.neurons != FEWEST:
            return self

        layers = self.checked(pair).layers or []
        every = [replace(self, layers=[layer], neurons=None)(pair, inputs, **frames) for layer in layers]
        *inner, output = every
        taken = fewest(_joined(inner), output).tolist()
        starts = torch.tensor([0, *(each.values.shape[1] for each in inner)]).cumsum(0).tolist()
        neurons = [[k - low for k in taken if low <= k < high] for low, high in pairwise(starts)]
        neurons.append(list(range(output.values.shape[1])))
        kept = [(layer, some) for layer, some in zip(layers, neurons, strict=True) if some]

        return replace(self, layers=[layer for layer, _ in kept], neurons=[some for _, some in kept])


def fewest(inner: equiv.Observations, output: equiv.Observations, tolerance: float = 0.05) -> Tensor:
    r"""The fewest inner neurons that are enough beside the output, in ascending order, `(k,)`.

    Enough is what embeds the network's input space: all inner neurons follow from what is observed within
    `tolerance` of their spread (where two inputs look alike they do not), and its frames integrate to a chart.
    Neurons are added in the order of `equiv.select_neurons`, none to begin with, up to the 2 m + 1 of Whitney's
    theorem, and dropped again where the others are enough. Nothing but this one network is looked at.

    Arguments:
        inner: The neurons to choose from, with frames.
        output: The output at the same inputs, with frames.
        tolerance: Largest error that counts as determined, a share of the spread.
    """
    assert inner.frames is not None
    most = min(2 * inner.frames.shape[2] + 1, inner.values.shape[1])
    ranked = equiv.select_neurons(inner, most)

    for count in range(most + 1):
        taken = ranked[:count].sort().values

        if count == most or _enough(inner, taken, output, tolerance):
            break

    for each in taken.tolist() if len(taken) > 1 else []:  # which later ones may have made superfluous
        rest = taken[taken != each]

        if _enough(inner, rest, output, tolerance):
            taken = rest

    return taken


def _enough(inner: equiv.Observations, taken: Tensor, output: equiv.Observations, tolerance: float) -> bool:
    observed = _joined([_part(inner, taken), output]) if len(taken) else output
    some = torch.arange(min(len(inner), TEST_SAMPLES))
    few, rest = observed.subset(some), inner.subset(some)
    assert few.frames is not None and rest.frames is not None
    follows = equiv.reconstruct(few.values, rest.values, frames=(few.frames, rest.frames))

    return follows.error.high < tolerance and equiv.IsometricMaps().fit(observed).accepted_


def _part(observations: equiv.Observations, columns: Tensor) -> equiv.Observations:
    assert observations.frames is not None

    return equiv.Observations(
        observations.values[:, columns],
        observations.frames[:, columns],
        burst_size=observations.burst_size,
    )


def _joined(parts: Sequence[equiv.Observations]) -> equiv.Observations:
    r"""All the neurons of several observations of the same inputs."""
    return equiv.Observations(
        torch.cat([each.values for each in parts], dim=1),
        torch.cat([each.frames for each in parts if each.frames is not None], dim=1),
        burst_size=parts[0].burst_size,
    )

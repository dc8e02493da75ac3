r"""The layers of a side: their activations at the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import as_floating, check_finite, nearest_name
from equiv.layers.computing import computing_layers
from equiv.observe.observations import Observations
from equiv.probing.inputs import batch_of, checked_inputs
from equiv.probing.probe import probe

__all__ = ["Recorded", "recorded"]

# Layers of a side that are compared where none are named.
# [layers; chosen: a matrix of as many can be read]
MAX_LAYERS = 24


@dataclass(frozen=True, eq=False)
class Recorded:
    r"""Layers of one side.

    Attributes:
        values: Activations `(n, d)` by the layer's name, in order.
        groups: Labels `(n,)` of samples that are no independent draws, where they are known.
        left_out: How many layers there are beside them.
    """

    values: dict[str, Tensor]
    groups: Tensor | None = None
    left_out: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def observations(self) -> Observations:
        r"""The first layer with the groups."""
        return Observations(next(iter(self.values.values())), groups=self.groups)


def recorded(
    network: Any, inputs: Any, layers: Sequence[str] | None, positions: str | None, side: str
) -> Recorded:
    r"""The layers of a network, or of a dictionary of what was recorded of it.

    Arguments:
        network: A module, or arrays `(n, ...)` by layer name.
        inputs: Inputs of the module; idle with arrays.
        layers: Names; None: all that compute something, at most 24, evenly chosen.
        positions: As in `equiv.probe`.
        side: "a" or "b", for errors.

    Raises:
        TypeError: If it is neither, or an array is none.
        ValueError: If there are no layers, no inputs, a name is unknown, or numbers of samples differ.
    """
    if isinstance(network, nn.Module):
        return _probed(network, inputs, layers, positions, side)

    if not isinstance(network, Mapping):
        raise TypeError(
            f"'network_{side}' should be a torch.nn.Module or a dict of arrays by layer name, got "
            f"{type(network).__name__}; record its layers into a dict."
        )

    names = _checked_names(layers, [str(name) for name in network], side)
    values = {name: _flat(network[name], f"network_{side}[{name!r}]") for name in names}
    counts = sorted({len(array) for array in values.values()})

    if len(counts) > 1:
        raise ValueError(
            f"'network_{side}' should hold the same samples in each layer, got {counts} of them; record all "
            "layers at the same inputs."
        )

    return Recorded(values)


def _probed(
    network: nn.Module, inputs: Any, layers: Sequence[str] | None, positions: str | None, side: str
) -> Recorded:
    if inputs is None:
        raise ValueError(
            f"'inputs' should be given where 'network_{side}' is a module, got None; pass its inputs."
        )

    if layers is None:
        found = computing_layers(network, inputs)
        names = [
            found[k * len(found) // min(len(found), MAX_LAYERS)] for k in range(min(len(found), MAX_LAYERS))
        ]
    else:
        modules = [name for name, _ in network.named_modules()]
        found = names = _checked_names(layers, modules, side)

    if positions is not None:  # then numbers of samples, and groups, are for each layer to say
        options: dict[str, Any] = {"positions": positions, "frames": None}
        seen = {name: probe(network, inputs, layers=[name], **options) for name in names}
        first = next(iter(seen.values()))
        values = {name: obs.values for name, obs in seen.items() if len(obs) == len(first)}

        return Recorded(values, first.groups, len(found) - len(values))

    few = batch_of(checked_inputs(inputs), slice(0, 2))
    widths = [probe(network, few, layers=[name], frames=None).values.shape[1] for name in names]
    parts = probe(network, inputs, layers=names, frames=None).values.split(widths, dim=1)

    return Recorded(dict(zip(names, parts, strict=True)), left_out=len(found) - len(names))


def _checked_names(layers: Sequence[str] | None, known: list[str], side: str) -> list[str]:
    if isinstance(layers, str):
        raise TypeError(f"'layers_{side}' should be a list of names, got {layers!r}; write [{layers!r}].")

    names = known if layers is None else list(layers)

    if not names:
        raise ValueError(f"'layers_{side}' should name at least one layer, got none; pass None for all.")

    for name in names:
        if name not in known:
            raise ValueError(
                f"'layers_{side}' should name layers of 'network_{side}', got {name!r}{nearest_name(name, known)}"
            )

    return list(dict.fromkeys(names))


def _flat(array: Any, name: str) -> Tensor:
    r"""Recorded activations as `(n, d)`."""
    tensor = torch.as_tensor(array).detach()
    tensor = as_floating(tensor.reshape(len(tensor), -1) if tensor.ndim else tensor, name, "(n, ...)", 2)
    check_finite(tensor, name)

    return tensor

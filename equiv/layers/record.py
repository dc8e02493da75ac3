r"""The layers of a side: their activations at the same inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import as_array, as_floating, as_names, check_finite, nearest_name
from equiv.layers.computing import computing_layers
from equiv.metric.binary_scale import binary_scale
from equiv.observe.observations import Observations
from equiv.probing.inputs import ATTENTION_MASK, batch_of, checked_inputs
from equiv.probing.networks import as_network, plain_name
from equiv.probing.positions import positioned
from equiv.probing.probe import probe

__all__ = ["Recorded", "recorded"]

# Layers of a side that are compared where none are named.
# [layers; chosen: a matrix of as many can be read]
MAX_LAYERS = 24


@dataclass(frozen=True, eq=False)
class Recorded:
    r"""Layers of one side.

    Attributes:
        values: Activations `(n, d)` by the layer's name, in order, at scales at which no square overflows.
        groups: Labels `(n,)` of samples that are no independent draws, where they are known.
        left_out: How many layers there are beside them.
        elsewhere: How many layers have other positions, where each is a sample.
    """

    values: dict[str, Tensor]
    groups: Tensor | None = None
    left_out: int = 0
    elsewhere: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def observations(self) -> Observations:
        r"""The first layer with the groups."""
        return Observations(next(iter(self.values.values())), groups=self.groups)


def recorded(
    network: Any,
    inputs: Any,
    layers: Sequence[str] | None,
    positions: str | None,
    side: str,
    mask: Tensor | None = None,
) -> Recorded:
    r"""The layers of a network, or of a dictionary of what was recorded of it.

    Arguments:
        network: A module, any callable, of which there is the output alone, or arrays `(n, ...)` by layer name, an
            `attention_mask` perhaps among them.
        inputs: Inputs of the module; idle with arrays.
        layers: Names; None: all that compute something, at most 24, evenly chosen.
        positions: As in `equiv.probe`, also of arrays; where each is a sample, layers that are not named and have not
            as many as most are left out.
        side: "a" or "b", for errors.
        mask: Which tokens of arrays count, `(n, T)`; that of a module is among its inputs. None: all.

    Raises:
        TypeError: If it is neither, or an array is none.
        ValueError: If there are no layers, no inputs, a name is unknown, or numbers of samples differ.
    """
    if not isinstance(network, Mapping):
        if not callable(network):
            raise TypeError(
                f"'network_{side}' should be a network or a dict of arrays by layer name, got "
                f"{type(network).__name__}; record its layers into a dict."
            )

        return _probed(as_network(network, inputs, f"network_{side}"), inputs, layers, positions, side)

    held = {str(name): array for name, array in network.items() if name != ATTENTION_MASK}
    names = _checked_names(layers, list(held), side)
    seen = {name: _rows(held[name], f"network_{side}[{name!r}]", positions, mask) for name in names}
    values = _equally_many({name: rows for name, (rows, _) in seen.items()}, side)

    return Recorded(values, next(iter(seen.values()))[1])


def _probed(
    network: nn.Module, inputs: Any, layers: Sequence[str] | None, positions: str | None, side: str
) -> Recorded:
    if inputs is None:
        raise ValueError(
            f"'inputs' should be given where 'network_{side}' is a module, got None; pass its inputs."
        )

    elsewhere = 0

    if layers is None:
        shapes = computing_layers(network, inputs)
        found = _at_one_place(shapes) if positions == "each" else list(shapes)
        count, elsewhere = min(len(found), MAX_LAYERS), len(shapes) - len(found)
        names = [found[k * len(found) // count] for k in range(count)]
    else:
        modules = list(dict.fromkeys(plain_name(name) for name, _ in network.named_modules()))
        named = [plain_name(name) for name in as_names(layers, f"layers_{side}")]
        found = names = _checked_names(named, modules, side)

    if positions is not None:  # then widths, and groups, are for each layer to say
        options: dict[str, Any] = {"positions": positions, "frames": None}
        seen = {name: probe(network, inputs, layers=[name], **options) for name in names}
        values = _equally_many({name: obs.values for name, obs in seen.items()}, side)

        return Recorded(values, next(iter(seen.values())).groups, len(found) - len(names), elsewhere)

    few = batch_of(checked_inputs(inputs), slice(0, 2))
    widths = [probe(network, few, layers=[name], frames=None).values.shape[1] for name in names]
    parts = probe(network, inputs, layers=names, frames=None).values.split(widths, dim=1)

    values = _equally_many(dict(zip(names, parts, strict=True)), side)

    return Recorded(values, left_out=len(found) - len(names))


def _checked_names(layers: Sequence[str] | None, known: list[str], side: str) -> list[str]:
    if not known:
        raise ValueError(f"'network_{side}' should hold at least one layer, got none; record some.")

    names = known if layers is None else as_names(layers, f"layers_{side}")

    for name in names:
        if name not in known:
            raise ValueError(
                f"'layers_{side}' should name layers of 'network_{side}', got {name!r}{nearest_name(name, known)}"
            )

    return list(dict.fromkeys(names))


def _at_one_place(shapes: Mapping[str, torch.Size]) -> list[str]:
    r"""Layers with as many positions as most; all where none has any, which `probe` refuses in its own words."""
    counts = {
        name: shape[2:].numel() if len(shape) > 3 else shape[1]
        for name, shape in shapes.items()
        if len(shape) > 2
    }
    most = Counter(counts.values()).most_common(1)

    return [name for name, count in counts.items() if count == most[0][0]] if most else list(shapes)


def _equally_many(values: dict[str, Tensor], side: str) -> dict[str, Tensor]:
    r"""The layers, with as many samples in each, at scales at which no square overflows."""
    counts = sorted({len(array) for array in values.values()})

    if len(counts) > 1:
        raise ValueError(
            f"'network_{side}' should show the same samples in each layer, got {counts} of them; take all layers at "
            "the same inputs, and at as many positions where each is a sample."
        )

    return {name: binary_scale(array).values(array) for name, array in values.items()}


def _rows(array: Any, name: str, positions: str | None, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    r"""Recorded activations as `(n, d)`, and the input of each row where each position is one."""
    tensor = as_array(array, name, "(n, ...)").detach()
    rows, groups = (
        positioned(tensor, positions, name, mask) if tensor.numel() and tensor.ndim else (tensor, None)
    )
    rows = as_floating(rows, name, "(n, ...)", 2)
    check_finite(rows, name)

    return rows, groups

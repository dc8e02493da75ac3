r"""Every public door, called with one argument that is wrong, and what its error should be like."""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import equiv
from equiv import Comparison, Observations

__all__ = ["DOORS", "N", "framed", "network", "refused", "small_comparison", "values"]

# Samples: few, so that whatever is not refused is over soon.
N = 30

# A sentence of an error: the argument, the rule, what came, and the fix.
SENTENCE = re.compile(r"^'[^\n]* should [^\n]*, got [^\n]*[;,] [^\n]*[.?]$")


def values(neurons: int = 3, n: int = N, seed: int = 0) -> Tensor:
    r"""A smooth curve, seen by so many neurons, `(n, neurons)`, float64."""
    x = torch.rand(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return torch.cat([(x * (1 + k)).sin() + x for k in range(neurons)], dim=1)


def framed(n: int = N, seed: int = 0) -> Observations:
    r"""A curve with its frames."""
    x = torch.rand(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return Observations(torch.cat([x.exp(), x.sin()], dim=1), torch.stack([x.exp(), x.cos()], dim=1))


@functools.cache
def network() -> nn.Sequential:
    r"""From two inputs to three neurons."""
    torch.manual_seed(0)

    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3)).double()


@functools.cache
def small_comparison() -> Comparison:
    r"""Of two layers of three neurons each."""
    a = values()

    return equiv.compare(Observations(a), Observations(2 * a), paired=True)


@functools.cache
def _maps(kind: type, *arguments: int) -> Any:
    return kind(*arguments).fit(framed())


# Doors of activations `(N, 3)`, by the argument that the error has to name.
DOORS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "Observations": ("values", Observations),
    "reconstruct": ("observed", lambda bad: equiv.reconstruct(bad, values())),
    "reconstruct, target": ("target", lambda bad: equiv.reconstruct(values(), bad)),
    "select_coordinates": ("coordinates", equiv.select_coordinates),
    "compare_layers": ("network_a['x']", lambda bad: equiv.compare_layers({"x": bad}, {"y": values()})),
    "DiffusionMaps.transform": ("values", lambda bad: _maps(equiv.DiffusionMaps, 1).transform(bad)),
    "GalerkinMaps.transform": ("values", lambda bad: _maps(equiv.GalerkinMaps, 1, 10).transform(bad)),
    "IsometricMaps.transform": ("values", lambda bad: _maps(equiv.IsometricMaps).transform(bad)),
    "IsometricMaps.inverse_transform": (
        "coordinates",
        lambda bad: _maps(equiv.IsometricMaps).inverse_transform(bad),
    ),
    "linear_cka": ("a", lambda bad: equiv.baselines.linear_cka(bad, values())),
    "mutual_knn": ("b", lambda bad: equiv.baselines.mutual_knn(values(), bad)),
    "probe": ("inputs", lambda bad: equiv.probe(network(), bad)),
    "compare": ("inputs", lambda bad: equiv.compare(network(), network(), bad)),
    "transformation": ("values", lambda bad: small_comparison().transformation(bad)),
    "transformation.inverse": ("values", lambda bad: small_comparison().transformation.inverse(bad)),
    "transformation.extrapolates": (
        "values",
        lambda bad: small_comparison().transformation.extrapolates(bad),
    ),
}


def refused(call: Callable[[], Any], *words: str) -> str:
    r"""What a call says that refuses its argument: one sentence of this package, that holds the words."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call()

    said = str(caught.value)
    origin = Path(traceback.extract_tb(caught.tb)[-1].filename)
    assert Path(equiv.__file__).parent in origin.parents, f"raised by {origin}: {said}"
    assert SENTENCE.match(said), said

    for word in words:
        assert word in said, said

    return said

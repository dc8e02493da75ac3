r"""Eigenvalues of the two input spaces, side by side: evidence, no verdict (isospectral is not isometric)."""

import math

import torch

from equiv.observe.observations import Observations
from equiv.spectral.galerkin import GalerkinMaps

__all__ = ["lowest_eigenvalues", "spectral_distance"]

EIGENVALUES = 6
FUNCTIONS = 100

# More samples would not tell spaces apart better: what random samples miss, some 7 % at 2,000, is not the
# method's. Fewer would spoil evenly spread ones.
SAMPLES = 2048


def lowest_eigenvalues(obs: Observations) -> list[float] | None:
    r"""Lowest eigenvalues of minus the Laplacian, the trivial one first, in 1 / (input unit)^2.

    Unweighted Galerkin maps (`equiv.GalerkinMaps`): the operator knows of the sampling density.

    Returns:
        `EIGENVALUES` + 1 numbers, or None where they cannot be computed.
    """
    part = obs.subset(torch.arange(0, len(obs), math.ceil(len(obs) / SAMPLES)))

    try:
        maps = GalerkinMaps(EIGENVALUES, FUNCTIONS).fit(part)
    except (ValueError, torch.linalg.LinAlgError):
        return None

    return [float(value) for value in maps.eigenvalues_]


def spectral_distance(a: list[float] | None, b: list[float] | None) -> float:
    r"""Mean relative difference of nontrivial eigenvalues, :math:`2 |a - b| / (a + b)`; NaN without them."""
    if a is None or b is None:
        return math.nan

    pairs = list(zip(a[1:], b[1:], strict=False))

    return sum(2 * abs(x - y) / (x + y) for x, y in pairs) / len(pairs)

r"""Eigenvalues of the two input spaces, side by side: evidence, no verdict (isospectral is not isometric)."""

import math

import torch

from equiv.observe.observations import Observations
from equiv.spectral.galerkin import GalerkinMaps

__all__ = ["lowest_eigenvalues", "spectral_distance"]


# Nontrivial eigenvalues that are compared.
# [eigenvalues; chosen: enough to tell a circle from an interval or a torus, few enough to be right]
COMPARED_EIGENVALUES = 6

# Gaussians that their eigenfunctions are made of.
# [functions; chosen: six smooth functions need no more, and a third of the samples bounds it]
GAUSSIANS = 100

# Samples that the spectrum is computed from.
# [samples; measured: random ones miss some 7 % at 2,000 whatever the method, fewer would spoil evenly spread ones]
SPECTRUM_SAMPLES = 2048


def lowest_eigenvalues(obs: Observations) -> list[float] | None:
    r"""Lowest eigenvalues of minus the Laplacian, the trivial one first, in 1 / (input unit)^2.

    Unweighted Galerkin maps (`equiv.GalerkinMaps`): the operator knows of the sampling density.

    Returns:
        `COMPARED_EIGENVALUES` + 1 numbers, or None where they cannot be computed.
    """
    part = obs.subset(torch.arange(0, len(obs), math.ceil(len(obs) / SPECTRUM_SAMPLES)))

    try:
        maps = GalerkinMaps(COMPARED_EIGENVALUES, GAUSSIANS).fit(part)
    except (ValueError, torch.linalg.LinAlgError):
        return None

    return [float(value) for value in maps.eigenvalues_]


def spectral_distance(a: list[float] | None, b: list[float] | None) -> float:
    r"""Mean relative difference of nontrivial eigenvalues, :math:`2 |a - b| / (a + b)`; NaN without them."""
    if a is None or b is None:
        return math.nan

    pairs = list(zip(a[1:], b[1:], strict=False))

    # Two that are zero do not differ.
    return sum(2 * abs(x - y) / (x + y) for x, y in pairs if x + y > 0) / len(pairs)

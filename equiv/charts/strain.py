r"""How far a chart is from isometric, and how far its coordinates are off for it.

A chart that is off by a displacement w, u = x + w(x), shows it in the frames that its lift F gives to the
inputs, beside those observed, turned as fits best:

.. math:: J_i R_i - DF_i = DF_i\,(Dw + \Omega_i) + O(|Dw|^2)

with small turns :math:`\Omega_i`, so that w follows by linear elasticity, up to the rigid motions that registration
settles. The misfit is weighed in the activations: directions that the neurons hardly see count as little as they show.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.charts.chart import Chart
from equiv.coordinates.kriging import slopes_of_values
from equiv.coordinates.lattice import minimum_image
from equiv.coordinates.motion import skew_matrix
from equiv.coordinates.smooth_fit import SmoothBasis
from equiv.observe.observations import Observations

__all__ = ["Strain", "measure_strain", "rigid_motions"]

# Gaussians of the displacement behind the strains.
# [functions; chosen: a trade of detail against noise, which more of them fit]
FUNCTIONS = 60

# Width of the Gaussians over their spacing.
# [dimensionless; chosen: narrower ones leave ripples, of wider ones small strains make large displacements]
WIDTH = 2.0

# Combinations of functions that strain less than this share of the largest are left out.
# [dimensionless; chosen: far above rounding]
UNSTRAINED = 1e-10


@dataclass(frozen=True)
class Strain:
    r"""The strain of a chart at its samples and the displacement behind it.

    Attributes:
        size: RMS relative error of lengths, in the activations, dimensionless.
        displacement: RMS of what w moves in the activations, :math:`|DF\,w|`, in activation units.
        noise: RMS of what strains without pattern, from noisy frames, leave undetermined there, in activation
            units.
        gap: How far the two sides of a gap in a curve may be off each other, RMS, in input units; 0 where there is more
            than one way across.
    """

    size: float
    displacement: float
    noise: float
    gap: float


def measure_strain(chart: Chart, obs: Observations, coordinates: Tensor, periods: Tensor | None) -> Strain:
    r"""Strains of a chart against the frames, and the displacement that explains them.

    Least squares for smooth w (Gaussians and an affine part); the noise is that of its coefficients when what is left
    is independent from sample to sample.

    Lifts that take frames for their own show none of it: the smooth part of the chart does, and, where it is the only
    way, kriging of the values alone.

    Arguments:
        chart: The chart.
        obs: Samples with frames.
        coordinates: Their coordinates, shape `(n, m)`.
        periods: Lattice, or None.
    """
    assert obs.frames is not None
    lifts = [chart.smooth.frames(coordinates.to(obs.device)).double().cpu()]

    if chart.kriged:
        lattice = coordinates[:0] if periods is None else periods
        lifts.append(slopes_of_values(coordinates, obs.values.double().cpu(), lattice))

    # Whatever the coordinates are off by both show; what either is moved by besides is its own.
    return min(
        (_against(lifted, obs, coordinates, periods) for lifted in lifts),
        key=lambda each: math.hypot(each.displacement, each.noise),
    )


def _against(lifted: Tensor, obs: Observations, coordinates: Tensor, periods: Tensor | None) -> Strain:
    assert obs.frames is not None
    n, m = coordinates.shape
    frames = obs.frames.double().cpu()
    turn, _, back = torch.linalg.svd(frames.mT @ lifted, full_matrices=False)
    along, root = torch.linalg.qr(lifted)  # also where DF is singular
    defect = (along.mT @ (frames @ (turn @ back)) - root).flatten(1)  # (n, m m)
    pairs = list(itertools.combinations_with_replacement(range(m), 2))
    stretches = torch.stack([_symmetric(m, *pair) for pair in pairs])
    seen = torch.einsum("nab,sbc->nacs", root, stretches).flatten(1, 2)
    skew = [skew_matrix(m, *pair) for pair in itertools.combinations(range(m), 2)]

    if skew:
        turns = torch.linalg.qr(torch.einsum("nab,qbc->nacq", root, torch.stack(skew)).flatten(1, 2)).Q
        seen = seen - turns @ (turns.mT @ seen)

    seen, scale = torch.linalg.qr(seen)
    target = (seen.mT @ defect[:, :, None])[:, :, 0]
    basis = SmoothBasis.at_farthest_points(coordinates, FUNCTIONS, periods, WIDTH)
    functions = torch.eye(1 + basis.free.shape[1] + len(basis.centers), dtype=torch.float64)
    values, slopes = basis.combine(coordinates, functions[:, 1:])  # (n, b), (n, b, m)
    b = values.shape[1]
    design = torch.zeros(n, len(pairs), b, m, dtype=torch.float64)

    for row, (first, second) in enumerate(pairs):
        # Entries of sym Dw, twice those off the diagonal.
        design[:, row, :, first] += slopes[:, :, second]
        design[:, row, :, second] += slopes[:, :, first] if first != second else 0.0

    rows, strains = (scale @ design.flatten(2)).flatten(0, 1), target.flatten()
    gram = rows.T @ rows
    inverse = torch.linalg.pinv(gram, rtol=UNSTRAINED, hermitian=True)
    solved = inverse @ (rows.T @ strains)
    left = (strains - rows @ solved).square().sum() / max(len(strains) - b * m, 1)
    # Lengths in the activations: |DF w| = |H w| with H^T H = DF^T DF.
    moved = torch.einsum("nb,ncm->ncbm", values, root).reshape(-1, b * m)
    rigid = torch.einsum("ncm,nmr->ncr", root, rigid_motions(coordinates, periods)).flatten(0, 1)
    settled = torch.linalg.lstsq(rigid, moved, driver="gelsd").solution  # by registration
    moved = moved - rigid @ settled
    mass = moved.T @ moved / n

    return Strain(
        size=(strains.square().sum() / root.square().sum()).sqrt().item(),
        displacement=(solved @ mass @ solved).clamp_min(0).sqrt().item(),
        noise=(left * (inverse @ gram @ inverse @ mass).trace()).clamp_min(0).sqrt().item(),
        gap=0.0 if m > 1 else _across_gaps(obs, coordinates, lifted, periods),
    )


def _symmetric(m: int, first: int, second: int) -> Tensor:
    r"""The symmetric matrix `(m, m)` with ones on the diagonal at `first`, or a half at both places off it."""
    matrix = torch.zeros(m, m, dtype=torch.float64)
    matrix[first, second] += 0.5
    matrix[second, first] += 0.5

    return matrix


def _across_gaps(obs: Observations, coordinates: Tensor, lifted: Tensor, periods: Tensor | None) -> float:
    r"""RMS of what samples of a curve would be moved by if its widest gap were as long as the trapezoid rule says.

    How the curve goes on in a gap nothing shows but the frames at its ends: what the coordinates differ by from the
    rule :math:`\bar J^+ (y_j - y_i)`, of third order in the length of the gap, is a guess that may be wrong by as much.
    Of two halves moved apart by so much each is off by a half of it.
    """
    assert obs.frames is not None
    values = obs.values.double().cpu()
    # Along the chart, of frames that may have more columns than the curve has directions.
    frames = obs.frames.double().cpu()
    along = frames.mT @ lifted
    frames = (frames @ (along / along.norm(dim=1, keepdim=True).clamp_min(1e-300)))[:, :, 0]
    order = coordinates[:, 0].argsort()
    first, second = (order[:-1], order[1:]) if periods is None else (order, order.roll(-1))
    mean = (frames[first] + frames[second]) / 2
    length = minimum_image(coordinates[second] - coordinates[first], periods)[:, 0]
    rule = ((values[second] - values[first]) * mean).sum(dim=1) / mean.square().sum(dim=1).clamp_min(1e-300)

    return (rule - length).abs().max().item() / 2


def rigid_motions(coordinates: Tensor, periods: Tensor | None) -> Tensor:
    r"""Velocities of the translations and, where nothing is periodic, rotations: `(n, m, r)`."""
    n, m = coordinates.shape
    shifts = torch.eye(m, dtype=torch.float64).expand(n, m, m)

    if periods is not None or m == 1:
        return shifts

    turns = torch.zeros(n, m, m * (m - 1) // 2, dtype=torch.float64)

    for column, (first, second) in enumerate(itertools.combinations(range(m), 2)):
        turns[:, first, column] = -coordinates[:, second]
        turns[:, second, column] = coordinates[:, first]

    return torch.cat([shifts, turns], dim=2)

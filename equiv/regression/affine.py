r"""Affine maps from A's activations to B's, exact where the relation is."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.regression.kernel_map import Fit, KernelMap, typical_radius
from equiv.regression.pair_data import PairData

__all__ = ["least_squares"]

# Errors of affine maps below this are not told from zero.
# [share of the target's spread; chosen: rounding in float64 is a thousandth of it, no learned map comes near]
AFFINE_ROUNDING = 1e-9

# Columns that the others explain up to this share of their length leave least squares without a solution.
# [share of a column's length; chosen: ten thousand times the rounding of float64]
MIN_INDEPENDENT = 1e-12

# Of a direction in which draws have a leverage nearer to 1 than this, the other samples show nothing.
# [dimensionless; chosen: errors divided by more are right to a millionth, exactly 1 is within a ten thousandth of it]
MIN_UNLEVERED = 1e-9


def least_squares(data: PairData) -> Fit | None:
    r"""Affine least squares with exact leave-one-out errors; None with fewer than two samples a parameter.

    With the hat matrix H, leaving sample i out changes its residual to :math:`e_i / (1 - H_{ii})`, and leaving a draw
    G out changes theirs to :math:`(1 - H_{GG})^{-1} e_G`. Where a draw alone shows a direction of the source, the
    others leave the map open along it: of their solutions the shortest is judged.
    """
    n, k = data.values.shape

    if n <= 2 * (k + 1):
        return None

    scale = data.scale.clamp_min(1e-300)
    design = torch.cat([data.values / scale, data.values.new_ones(n, 1)], dim=1)
    orthogonal, triangular = torch.linalg.qr(design)

    if not (triangular.diagonal().abs() > MIN_INDEPENDENT * n**0.5).all():
        return None

    solution = torch.linalg.solve_triangular(triangular, orthogonal.T @ data.target, upper=True)
    residuals = data.target - design @ solution
    errors, parts = residuals.clone(), data.draws.left_out()

    if data.draws.independent:
        unlevered = 1 - orthogonal.square().sum(dim=1)
        errors = errors / unlevered.clamp_min(MIN_UNLEVERED)[:, None]
        alone = (unlevered < MIN_UNLEVERED).nonzero()
        parts = ((row, torch.zeros_like(row)) for row in alone)

    for out, judged in parts:
        errors[out[judged]] = _left_out(orthogonal[out], residuals[out], triangular, solution)[judged]

    return _fit(data, errors, data.basis, solution[:-1] / scale[:, None], solution[-1], data.values)


def _left_out(own: Tensor, residuals: Tensor, triangular: Tensor, solution: Tensor) -> Tensor:
    r"""Errors `(g, d_b)` of a draw that is left out of least squares with the design Q R.

    With :math:`1 - H_{GG} = U \diag(1 - h) U^\top`, a vector u with h = 1 goes with a direction
    :math:`v = R^{-1} Q_G^\top u` that no other sample shows, for :math:`Q R v` is u at the draw and 0 elsewhere. The
    shortest solution of the others has nothing along these v.

    Arguments:
        own: The draw's rows of Q, `(g, k)`.
        residuals: Its residuals, `(g, d_b)`.
        triangular: R, `(k, k)`.
        solution: The weights from all samples, `(k, d_b)`.
    """
    identity = torch.eye(len(own), dtype=own.dtype, device=own.device)
    unlevered, vectors = torch.linalg.eigh(identity - own @ own.T)
    alone = unlevered < MIN_UNLEVERED
    others, mine = vectors[:, ~alone], vectors[:, alone]
    errors = others @ ((others.T @ residuals) / unlevered[~alone, None])
    unseen = torch.linalg.solve_triangular(triangular, own.T @ mine, upper=True)

    return errors + mine @ torch.linalg.lstsq(unseen, solution).solution


def _fit(
    data: PairData, errors: Tensor, metric: Tensor, weight: Tensor, offset: Tensor, points: Tensor
) -> Fit:
    r"""An affine map as a kernel map without kernels; errors `(n, d_b)` and weights are over the target's spread."""
    spread = torch.where(data.spread.isfinite(), data.spread, 0.0)
    map_ = KernelMap(
        "gaussian",
        data.center,
        metric,
        data.middle + spread * offset,
        spread * weight,
        points[:0],
        points.new_zeros(0, 0, points.shape[1]),
        points.new_zeros(0, 1, len(data.middle)),
        torch.full_like(data.middle, -torch.inf),
        torch.full_like(data.middle, torch.inf),
        points,
        typical_radius(points),
    )
    squared = errors.square().sum(dim=1)

    half = squared[: len(data) // 2]

    return Fit(map_, squared, half, "affine", AFFINE_ROUNDING, errors * spread, draws=data.draws)

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

# A sample's leverage is taken to be at most this far below 1, where leaving it out would leave nothing.
# [dimensionless; chosen: guards a division, and errors of such samples are large whatever it is]
MIN_UNLEVERED = 1e-9


def least_squares(data: PairData) -> Fit | None:
    r"""Affine least squares with exact leave-one-out errors; None with fewer than two samples a parameter.

    With the hat matrix H, leaving sample i out changes its residual to :math:`e_i / (1 - H_{ii})`, and leaving a draw
    G out changes theirs to :math:`(1 - H_{GG})^{-1} e_G`.
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
    errors = data.target - design @ solution

    if data.draws.independent:
        leverage = orthogonal.square().sum(dim=1).clamp_max(1 - MIN_UNLEVERED)
        errors = errors / (1 - leverage)[:, None]
    else:
        residuals = errors.clone()

        for out, judged in data.draws.left_out():
            own = orthogonal[out]
            identity = torch.eye(len(out), dtype=own.dtype, device=own.device)
            errors[out[judged]] = torch.linalg.lstsq(identity - own @ own.T, residuals[out]).solution[judged]

    return _fit(data, errors, data.basis, solution[:-1] / scale[:, None], solution[-1], data.values)


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

r"""Preimages: points of few coordinates that a function takes nearest to given values."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["gauss_newton_step", "preimages"]


# Points `(q, m)` and which values they belong to, `(q,)`, to the function there, `(q, d)`, and its slopes `(q, d, m)`.
Function = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

# Steps of a descent at most.
# [steps; chosen: near a preimage convergence is quadratic, and starts that need more lead nowhere]
MAX_STEPS = 20

# Damping at the start.
# [mean square slope; chosen: nearly a Gauss-Newton step, and it adapts within a few steps]
START_DAMPING = 1e-3

# Factor on the damping after a step that brought the values nearer.
# [dimensionless; chosen: Marquardt's own ten]
DAMPING_AFTER_SUCCESS = 0.1

# Factor on the damping after a step that did not.
# [dimensionless; chosen: Marquardt's own ten]
DAMPING_AFTER_FAILURE = 10.0

# Added to every damping, so that systems whose slopes vanish stay regular.
# [mean square slope; derived: some thousand times the rounding of float64, far below what changes a step]
MIN_DAMPING = 1e-12

# Damping beyond which a descent is given up: its steps are too short to lead anywhere.
# [mean square slope; chosen: nine failures in a row]
MAX_DAMPING = 1e6

# A step that leaves more than this share of the misfit is the last.
# [share of the misfit; chosen: the next would gain less than a thousandth again]
SETTLED_MISFIT = 0.999


def preimages(
    function: Function, values: Tensor, starts: Tensor, near: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    r"""Points u with F(u) nearest to y, by Levenberg's and Marquardt's method.

    Arguments:
        function: F.
        values: y, shape `(q, d)`.
        starts: Where to begin, `(q, s, m)`: the first, and where it leads nowhere the others in turn.
        near: Distance from y above which a start has led nowhere, `()`.

    Returns:
        u, shape `(q, m)`, and the distances of F(u) from y, `(q,)`.

    References:
        | An algorithm for least-squares estimation of nonlinear parameters (Marquardt, 1963)
    """
    rows = torch.arange(len(values), device=values.device)
    points, misfit = _descended(function, values, starts[:, 0], rows)

    for start in starts.unbind(dim=1)[1:]:
        lost = rows[misfit > near]

        if len(lost) == 0:
            break

        tried, left = _descended(function, values[lost], start[lost], lost)
        better = left < misfit[lost]
        points[lost[better]], misfit[lost[better]] = tried[better], left[better]

    return points, misfit


def gauss_newton_step(slopes: Tensor, rest: Tensor, damping: Tensor | float = 0.0) -> Tensor:
    r"""The step :math:`(J^\top J + \lambda \sigma^2 I)^{-1} J^\top r`, with the mean square slope :math:`\sigma^2`.

    Arguments:
        slopes: J, shape `(q, d, m)`.
        rest: r, shape `(q, d)`.
        damping: :math:`\lambda`, `(q,)` or a number.

    Returns:
        Shape `(q, m)`.
    """
    gram = slopes.mT @ slopes
    diagonal = (damping + MIN_DAMPING) * gram.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(1e-300)
    system = gram + diagonal[:, None, None] * torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)

    return torch.linalg.solve(system, slopes.mT @ rest[:, :, None])[:, :, 0]


def _descended(function: Function, values: Tensor, start: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    points = start.clone()
    found, slopes = function(points, rows)
    misfit = (values - found).norm(dim=1)
    damping = torch.full_like(misfit, START_DAMPING)
    active = torch.arange(len(values), device=values.device)

    for _ in range(MAX_STEPS):
        step = gauss_newton_step(slopes, values[active] - found, damping[active])
        trial = points[active] + step
        there, steeper = function(trial, rows[active])
        left = (values[active] - there).norm(dim=1)
        better = left < misfit[active]
        going = torch.where(better, left < SETTLED_MISFIT * misfit[active], damping[active] < MAX_DAMPING)
        points[active] = torch.where(better[:, None], trial, points[active])
        misfit[active] = torch.where(better, left, misfit[active])
        damping[active] *= torch.where(better, DAMPING_AFTER_SUCCESS, DAMPING_AFTER_FAILURE)
        found = torch.where(better[:, None], there, found)[going]
        slopes = torch.where(better[:, None, None], steeper, slopes)[going]
        active = active[going]

        if len(active) == 0:
            break

    return points, misfit

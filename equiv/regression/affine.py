r"""Affine maps from A's activations to B's, exact where the relation is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from equiv.metric.neuron_scale import slope_weights
from equiv.observe.draws import Draws
from equiv.regression.kernel_map import Fit, KernelMap, typical_radius
from equiv.regression.leave_one_out import ADDED_ERRORS
from equiv.regression.pair_data import PairData

__all__ = ["least_squares", "ridge_regression"]

# Errors of affine maps below this are not told from zero.
# [share of the target's spread; chosen: rounding in float64 is a thousandth of it, no learned map comes near]
AFFINE_ROUNDING = 1e-9

# Columns that the others explain up to this share of their length leave least squares without a solution.
# [share of a column's length; chosen: ten thousand times the rounding of float64]
MIN_INDEPENDENT = 1e-12

# Of a direction in which draws have a leverage nearer to 1 than this, the other samples show nothing.
# [dimensionless; chosen: errors divided by more are right to a millionth, exactly 1 is within a ten thousandth of it]
MIN_UNLEVERED = 1e-9

# Equations, by neurons, by the fewer of both, that ridge regression takes.
# [multiplications; chosen: 900 equations of as many neurons, as many as a search for a kernel takes, half a second]
MAX_RIDGE_COST = 900**3

# Ridges that are tried.
# [mean square of the equations' sides; chosen: from exact data to noise, finer steps change errors by percents]
RIDGES = (1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


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

    return errors + mine @ torch.linalg.lstsq(unseen, solution, driver="gels").solution


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


def ridge_regression(
    data: PairData,
    source: Tensor,
    source_frames: Tensor | None,
    target_frames: Tensor | None,
    taken: Tensor | None,
    seed: int,
) -> Fit | None:
    r"""The affine map of few samples, from their values and derivatives; None with two samples a parameter or more.

    A sample with m derivatives along the directions of the input space is m + 1 equations,

    .. math:: W^\top (y_A - \mu_A) + o = y_B - \mu_B, \quad h \, W^\top J_A v = h \, J_B v,

    so that ten samples of a network of 64 inputs tell an affine map of 64 neurons which their ten values leave open.
    h is such that the derivatives of a sample together weigh as much as its value. Where kinks make them tell little,
    the values alone are better, and the errors of draws that are left out, with all of their equations, choose.

    Arguments:
        data: The pairs.
        source: A's activations, `(n, d_a)`, float64; those of `data` are without the directions that no value shows.
        source_frames: A's frames, `(n, d_a, m)`; None: values alone.
        target_frames: B's along the same directions, `(n, d_b, m)`.
        taken: Directions that the inputs take, `(m, k)`. Fewer samples than entries show no direction of all but
            few; how far each entry moves they do.
        seed: Of the directions that are drawn where there are too many.
    """
    n, d = source.shape

    if n > 2 * (data.values.shape[1] + 1) or n * d * min(n, d) > MAX_RIDGE_COST:
        return None

    weight = slope_weights(source, source_frames)
    values = (source - data.center) * weight
    size = values.square().sum(dim=1).mean().sqrt()
    left, right = torch.cat([values / size, values.new_ones(n, 1)], dim=1)[:, None], data.target[:, None]
    systems = [_Decomposed.of(left, right)]

    if source_frames is not None and target_frames is not None:
        m = source_frames.shape[2]
        moved = source.new_ones(m) if taken is None else taken.square().sum(dim=1).sqrt()
        rows = max(MAX_RIDGE_COST // d**2, int((MAX_RIDGE_COST / d) ** 0.5))
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(n, m, max(min(m, rows // n - 1), 0), generator=generator, dtype=torch.float64)
        turn = moved[:, None] * torch.linalg.qr(drawn)[0].to(source.device)
        ours = (source_frames.double() @ turn).mT * weight / size
        theirs = (target_frames.double() @ turn).mT / data.spread
        alike = 1 / ours.square().sum(dim=(1, 2)).mean().sqrt().clamp_min(1e-300)
        ours = torch.cat([ours, ours.new_zeros(*ours.shape[:2], 1)], dim=2)
        left, right = torch.cat([left, alike * ours], dim=1), torch.cat([right, alike * theirs], dim=1)
        systems += [_Decomposed.of(left, right)]

    system, ridge = min(
        product(systems, RIDGES), key=lambda each: _score(each[0].left_out(each[1], data.draws), data.draws)
    )
    along, weights = system.solution(ridge)
    basis = weight[:, None] / size * along[:-1]
    errors = system.left_out(ridge, data.draws)
    found = _fit(data, errors, basis, weights, along[-1] @ weights, (source - data.center) @ basis)
    some = data.draws.half()
    half = system.subset(some).left_out(ridge, data.draws.subset(some)).square().sum(dim=1)
    told = f"affine, ridge {ridge:.0e}, {system.left.shape[:2].numel()} equations"

    return replace(found, half=half, description=told)


@dataclass(frozen=True, eq=False)
class _Decomposed:
    r"""Equations of n samples, :math:`X W = Y` with :math:`X = U \,\mathrm{diag}(s)\, V^\top`: one for all ridges.

    Attributes:
        left: U, `(n, width, k)`.
        values: s, `(k,)`.
        right: V, `(d_a + 1, k)`.
        sides: Y, `(n, width, d_b)`.
    """

    left: Tensor
    values: Tensor
    right: Tensor
    sides: Tensor

    @classmethod
    def of(cls, left: Tensor, right: Tensor) -> _Decomposed:
        r"""Of equations `(n, width, d_a + 1)` with their right sides `(n, width, d_b)`."""
        u, values, v = torch.linalg.svd(left.flatten(0, 1), full_matrices=False)

        return cls(u.view(*left.shape[:2], -1), values, v.mT, right)

    def subset(self, index: Tensor) -> _Decomposed:
        r"""The equations of some samples."""
        return _Decomposed.of(self.left[index] * self.values @ self.right.mT, self.sides[index])

    def solution(self, ridge: float) -> tuple[Tensor, Tensor]:
        r"""V, and W in its columns, `(k, d_b)`."""
        projected = self.left.flatten(0, 1).mT @ self.sides.flatten(0, 1)

        return self.right, (self.values / (self.values.square() + ridge))[:, None] * projected

    def left_out(self, ridge: float, draws: Draws) -> Tensor:
        r"""Errors of the values, `(n, d_b)`, where each draw is left out with all of its equations."""
        shrunk = self.values.square() / (self.values.square() + ridge)
        projected = self.left.flatten(0, 1).mT @ self.sides.flatten(0, 1)
        residuals = self.sides - self.left @ (shrunk[:, None] * projected)
        errors = torch.empty_like(residuals[:, 0])

        for out, judged in draws.left_out():
            own = self.left[out].flatten(0, 1)
            kept = torch.eye(len(own), dtype=own.dtype, device=own.device) - (own * shrunk) @ own.mT
            missed = torch.linalg.solve(kept, residuals[out].flatten(0, 1))
            errors[out[judged]] = missed.view(len(out), -1, errors.shape[1])[judged, 0]

        return errors


def _score(errors: Tensor, draws: Draws) -> float:
    r"""Mean square error of draws had the largest been met more often, as kernels are chosen by."""
    squared = draws.totals(errors.square().sum(dim=1))

    return (squared.mean() + ADDED_ERRORS * squared.max() / len(squared)).item()

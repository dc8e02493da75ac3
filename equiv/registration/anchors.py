r"""Motions that carry anchors to anchors, some of which may be wrong.

Rows are points; a motion is :math:`g(u) = Q u + t`, modulo the target's periods.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.lattice import minimum_image
from equiv.coordinates.motion import Motion, rigid_fit
from equiv.registration.result import joint_accuracy

__all__ = [
    "OUTLIER_SHARE",
    "AnchorFit",
    "anchor_rank",
    "as_good",
    "exchanged",
    "explained_misfit",
    "fit_projection",
    "fit_rigid",
    "fit_shift",
]


# More subsets of anchors than this are never tried.
# [subsets; chosen: a trade of time, with a third of the anchors wrong one in eight subsets of five has none]
SUBSETS = 500

# An anchor is wrong when it is off by more than this many typical residuals, and by more than `floor`.
# [standard deviations; chosen: no Gaussian error is as large, a wrong anchor is off by about the spread]
OUTLIER_RESIDUALS = 8.0

# No anchor that is off by less is called wrong.
# [share of the spread; chosen: charts are more accurate, and a wrong anchor is off by about the spread]
OUTLIER_SHARE = 0.01

# The anchors that are kept agree by chance in fewer cases.
# [probability; chosen: comparisons are made by the thousand]
CHANCE_AGREEMENT = 1e-3

# Anchors contradict an isometry when they are off by so many times what the charts' errors explain.
# [standard errors; chosen: estimates of the charts' errors may be too small by a factor]
CONTRADICTING_ERRORS = 6.0

# Anchors span a direction when their extent along it is above this share of the largest.
# [dimensionless; chosen: a motion fixed by less is off by fifty times the anchors' errors]
SPANNED_SHARE = 0.02

# Standard deviation over the median of absolute values.
# [dimensionless; derived: one over the third quartile of a Gaussian]
DEVIATION_PER_MEDIAN = 1.4826

# How often anchors are fitted, and it is asked anew which of them are wrong.
# [rounds; chosen: ends fits that do not settle]
SETTLING_ROUNDS = 5


@dataclass(frozen=True)
class AnchorFit:
    r"""A motion with its misfit at the anchors.

    Attributes:
        motion: The motion.
        residuals: Misfit at each anchor, shape `(k,)`, in input units.
        wrong: Anchors that contradict the others, shape `(k,)`, bool.
    """

    motion: Motion
    residuals: Tensor
    wrong: Tensor

    @property
    def cost(self) -> float:
        r"""RMS misfit at the anchors kept, each one rejected counted with the largest misfit kept."""
        kept = self.residuals[~self.wrong]

        return torch.cat([kept, kept.max().expand(int(self.wrong.sum()))]).square().mean().sqrt().item()

    @property
    def rejected(self) -> tuple[int, ...]:
        r"""Rows of the anchors that contradict the others."""
        return tuple(self.wrong.nonzero().flatten().tolist())


@dataclass(frozen=True)
class _Outliers:
    r"""Which anchors are far off the others' fit: fewer than half, the rest agreeing by more than chance.

    Any anchors fit some motion as long as they are few; of k anchors in m dimensions j agree on a motion with p
    parameters, each equation to a share s of the spread, with probability of about :math:`\binom{k}{j} s^{jm - p}`.

    Attributes:
        floor: No anchor that is off by less is called wrong, in input units.
        anchors: How many, k.
        dimension: Of the target, m.
        parameters: Of a motion, p.
    """

    floor: float
    anchors: int
    dimension: int
    parameters: int

    def __call__(self, residuals: Tensor) -> Tensor:
        r"""Misfits `(k,)` to whether each anchor is wrong, `(k,)`; none where that cannot be told."""
        scale = DEVIATION_PER_MEDIAN * residuals.median().item()
        wrong = residuals > max(OUTLIER_RESIDUALS * scale, self.floor)
        kept = self.anchors - int(wrong.sum())
        chance = math.comb(self.anchors, kept) * OUTLIER_SHARE ** (kept * self.dimension - self.parameters)

        return wrong if 2 * kept > self.anchors and chance < CHANCE_AGREEMENT else torch.zeros_like(wrong)


def exchanged(anchors: Tensor | None) -> Tensor | None:
    r"""Pairs of sample indices `(k, 2)` of B and A from those of A and B; None for none."""
    return None if anchors is None else anchors.flip(1)


def anchor_rank(points: Tensor) -> int:
    r"""How many directions anchors `(k, m)` span; all m take m + 1 anchors."""
    singular = torch.linalg.svdvals(points - points.mean(dim=0))

    return int((singular > SPANNED_SHARE * singular[0]).sum()) if len(points) > 1 and singular[0] > 0 else 0


def explained_misfit(source: Domain, target: Domain, tolerance: float) -> float:
    r"""Largest misfit of anchors that the charts' errors explain, or that is within a tolerance, in input units.

    Arguments:
        source: Domain mapped from.
        target: Domain mapped to.
        tolerance: A share of the target's spread.
    """
    return max(CONTRADICTING_ERRORS * joint_accuracy(source, target), tolerance * target.spread)


def as_good(fits: list[AnchorFit], accuracy: float) -> list[AnchorFit]:
    r"""The fits, best first, that coordinates of such an accuracy do not tell from the best."""
    fits = sorted(fits, key=lambda fit: fit.cost)

    return [fit for fit in fits if fit.cost <= 3 * max(fits[0].cost, accuracy)]


def fit_shift(
    source: Tensor, target: Tensor, matrix: Tensor, periods: Tensor | None, floor: float
) -> AnchorFit:
    r"""The translation modulo `periods` that most anchors agree on, for a known linear part.

    Arguments:
        source: Anchors in the source, shape `(k, m)`.
        target: The same in the target, shape `(k, m)`.
        matrix: Q, shape `(m, m)`.
        periods: The target's, shape `(p, m)`, or None.
        floor: No anchor that is off by less is called wrong, in input units.
    """
    shifts = target - source @ matrix.T
    distances = minimum_image(shifts[:, None] - shifts[None], periods).norm(dim=2)
    pivot = shifts[distances.median(dim=1).values.argmin()]

    def fit(kept: Tensor) -> Motion:
        return Motion(matrix, pivot + minimum_image(shifts[kept] - pivot, periods).mean(dim=0))

    rule = _Outliers(floor, len(target), target.shape[1], target.shape[1])
    start = minimum_image(shifts - pivot, periods).norm(dim=1)

    return _settled(fit, source, target, periods, rule(start), rule)


def fit_rigid(source: Tensor, target: Tensor, handedness: int, floor: float) -> AnchorFit:
    r"""The rigid motion that most anchors agree on: least median of squares over subsets, then least squares.

    Arguments:
        source: Anchors in the source, shape `(k, m)`.
        target: The same in the target, shape `(k, m)`.
        handedness: 1 or -1.
        floor: No anchor that is off by less is called wrong, in input units.
    """

    def fit(kept: Tensor) -> Motion:
        return rigid_fit(source[kept], target[kept], handedness)

    m = target.shape[1]
    rule = _Outliers(floor, len(target), target.shape[1], m * (m + 1) // 2)

    return _settled(fit, source, target, None, _consensus(fit, source, target, m + 1, rule), rule)


def fit_projection(source: Tensor, target: Tensor, floor: float) -> AnchorFit:
    r"""The projection onto fewer dimensions that most anchors agree on, with orthonormal rows of Q.

    Arguments:
        source: Anchors in the source, shape `(k, m_source)`, k above m_source.
        target: The same in the target, shape `(k, m_target)`, m_target below m_source.
        floor: No anchor that is off by less is called wrong, in input units.
    """

    def fit(kept: Tensor) -> Motion:
        a, b = source[kept].mean(dim=0), target[kept].mean(dim=0)
        linear = torch.linalg.lstsq(source[kept] - a, target[kept] - b, driver="gelsd").solution.T
        left, _, right = torch.linalg.svd(linear, full_matrices=False)

        return Motion(left @ right, b - left @ right @ a)

    m, high = target.shape[1], source.shape[1]
    rule = _Outliers(floor, len(target), target.shape[1], m * (m + 1) // 2 + m * (high - m))

    return _settled(fit, source, target, None, _consensus(fit, source, target, high + 1, rule), rule)


def _consensus(
    fit: Callable[[Tensor], Motion], source: Tensor, target: Tensor, size: int, rule: _Outliers
) -> Tensor:
    r"""Outliers of the fit to that subset of anchors which most of the others agree with."""
    k = len(source)
    lowest, wrong = math.inf, torch.zeros(k, dtype=torch.bool)
    subsets = itertools.islice(itertools.combinations(range(k), size), SUBSETS) if k > size else [range(k)]

    for subset in subsets:
        kept = torch.zeros(k, dtype=torch.bool)
        kept[list(subset)] = True
        residuals = (fit(kept)(source) - target).norm(dim=1)
        typical = residuals.sort().values[k // 2].item()

        if typical < lowest:
            lowest, wrong = typical, rule(residuals)

    return wrong


def _settled(
    fit: Callable[[Tensor], Motion],
    source: Tensor,
    target: Tensor,
    periods: Tensor | None,
    wrong: Tensor,
    rule: _Outliers,
) -> AnchorFit:
    r"""Least squares over the anchors kept, and once more who agrees with it, until that settles."""
    for _ in range(SETTLING_ROUNDS):
        motion = fit(~wrong)
        residuals = minimum_image(motion(source) - target, periods).norm(dim=1)
        before, wrong = wrong, rule(residuals)

        if torch.equal(before, wrong):
            break

    return AnchorFit(motion, residuals, wrong)

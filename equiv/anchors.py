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

from equiv.lattice import wrap

__all__ = ["AnchorFit", "Motion", "anchor_rank", "fit_projection", "fit_rigid", "fit_shift", "rigid_fit"]

# More subsets of anchors than this are never tried.
SUBSETS = 500
# An anchor is wrong when it is off by more than this many typical residuals, and by more than `floor`.
OUTLIER_RESIDUALS = 8.0


@dataclass(frozen=True)
class Motion:
    r"""An affine map of coordinates, :math:`g(u) = Q u + t`.

    Attributes:
        matrix: Q, shape `(m_target, m_source)`.
        offset: t, shape `(m_target,)`, in input units.
    """

    matrix: Tensor
    offset: Tensor

    def __call__(self, coordinates: Tensor) -> Tensor:
        return coordinates @ self.matrix.T + self.offset

    @property
    def inverse(self) -> Motion:
        r"""The motion back, for a square Q."""
        back = torch.linalg.inv(self.matrix)

        return Motion(back, -back @ self.offset)


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


def rigid_fit(source: Tensor, target: Tensor, handedness: int) -> Motion:
    r"""The rigid motion of given handedness that best carries one set of points to another.

    .. math:: \min_{Q \in O(m),\ \det Q = h} \sum_k \lvert Q a_k + t - b_k \rvert^2

    Arguments:
        source: Points :math:`a_k`, shape `(k, m)`.
        target: Points :math:`b_k`, shape `(k, m)`.
        handedness: h, 1 or -1.

    References:
        | A generalized solution of the orthogonal Procrustes problem (Schönemann, 1966)
        | https://doi.org/10.1007/BF02289451
        | Least-squares estimation of transformation parameters between two point patterns (Umeyama, 1991)
        | https://doi.org/10.1109/34.88573
    """
    a, b = source.mean(dim=0), target.mean(dim=0)
    left, _, right = torch.linalg.svd((target - b).T @ (source - a))
    signs = torch.ones(len(left), dtype=left.dtype)
    signs[-1] = handedness * torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    matrix = (left * signs) @ right

    return Motion(matrix, b - matrix @ a)


def anchor_rank(points: Tensor, share: float = 0.02) -> int:
    r"""How many directions anchors span beyond `share` of their largest extent; all m take m + 1 anchors."""
    singular = torch.linalg.svdvals(points - points.mean(dim=0))

    return int((singular > share * singular[0]).sum()) if len(points) > 1 and singular[0] > 0 else 0


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
    distances = wrap(shifts[:, None] - shifts[None], periods).norm(dim=2)
    pivot = shifts[distances.median(dim=1).values.argmin()]

    def fit(kept: Tensor) -> Motion:
        return Motion(matrix, pivot + wrap(shifts[kept] - pivot, periods).mean(dim=0))

    start = wrap(shifts - pivot, periods).norm(dim=1)

    return _settled(fit, source, target, periods, _outliers(start, floor), floor)


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

    wrong = _consensus(fit, source, target, source.shape[1] + 1, floor)

    return _settled(fit, source, target, None, wrong, floor)


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

    wrong = _consensus(fit, source, target, source.shape[1] + 1, floor)

    return _settled(fit, source, target, None, wrong, floor)


def _consensus(
    fit: Callable[[Tensor], Motion], source: Tensor, target: Tensor, size: int, floor: float
) -> Tensor:
    r"""Outliers of the fit to that subset of anchors which most of the others agree with."""
    k = len(source)
    lowest, wrong = math.inf, torch.zeros(k, dtype=torch.bool)
    subsets = itertools.islice(itertools.combinations(range(k), size), SUBSETS) if k > size else [range(k)]

    for subset in subsets:
        kept = torch.zeros(k, dtype=torch.bool)
        kept[list(subset)] = True
        residuals = (fit(kept)(source) - target).norm(dim=1)
        typical = residuals.sort().values[math.ceil(2 * k / 3) - 1].item()

        if typical < lowest:
            lowest, wrong = typical, _outliers(residuals, floor)

    return wrong


def _settled(
    fit: Callable[[Tensor], Motion],
    source: Tensor,
    target: Tensor,
    periods: Tensor | None,
    wrong: Tensor,
    floor: float,
) -> AnchorFit:
    r"""Least squares over the anchors kept, and once more who agrees with it, until that settles."""
    for _ in range(5):
        motion = fit(~wrong)
        residuals = wrap(motion(source) - target, periods).norm(dim=1)
        before, wrong = wrong, _outliers(residuals, floor)

        if torch.equal(before, wrong):
            break

    return AnchorFit(motion, residuals, wrong)


def _outliers(residuals: Tensor, floor: float) -> Tensor:
    r"""Anchors far off the others' fit; none where they would be a third or more."""
    scale = 1.4826 * residuals.median().item()
    wrong = residuals > max(OUTLIER_RESIDUALS * scale, floor)

    return wrong if 3 * int(wrong.sum()) < len(residuals) else torch.zeros_like(wrong)

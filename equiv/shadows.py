r"""Projections of one support onto another of fewer dimensions, found by their outlines and by few anchors.

Where frames lose rank a network sees the shadow of the input space only: :math:`v = Q u + t` with orthonormal rows of
Q. Sampling density is no evidence, so the extents of the shadow in all directions have to be those of the target.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equiv.anchors import Motion
from equiv.outline_fit import Anchors, skew_matrix
from equiv.symmetry import rotation_grid

__all__ = ["MAX_DIMENSION", "Shadow", "project"]

# Of the source; of the target one less.
MAX_DIMENSION = 3
DIRECTIONS = 48
REFINED = 16
# Samples beyond these in none of so many directions are inside.
PROBED = 400
# Samples between which the distance of the outermost one from the true edge is judged.
OUTERMOST = 6
# Extents of two samples of one space differ by one or two of those distances, exponentially distributed.
SAME = 5.0
# A projection fits as well as the best when its misfit is below this many times it, or below this.
EQUALLY_GOOD = 1.5
WELL = 2.0
# Two projections are the same when their matrices differ by less.
DISTINCT = 0.2
# More than this that fit equally well are a continuum.
CONTINUUM = 12
# Accuracies of anchors, as shares of the extent, by which a minimum is approached.
STEPS = (1e-1, 1e-3, 1e-9)
# Turns tried around a minimum, in radians, and how often they are bisected; those that fit up to the last are free.
ANGLES = [2.0**-power for power in range(24, 1, -1)]
BISECTIONS = 5


@dataclass(frozen=True)
class Shadow:
    r"""A projection of one support onto another.

    Attributes:
        motion: From source to target coordinates.
        misfit: RMS difference of the extents over what sampling explains; dimensionless.
        distance: The same in input units.
        slack: RMS displacement in the target that leaves the fit as good, in input units.
        free: Whether there are turns under which it fits as well, however large; these are no slack.
    """

    motion: Motion
    misfit: float
    distance: float
    slack: float
    free: bool

    @property
    def agrees(self) -> bool:
        r"""Whether sampling explains the difference of the extents."""
        return self.misfit <= SAME


def project(
    a: Tensor, b: Tensor, anchors: Anchors = None, accuracy: float = 0.0
) -> tuple[list[Shadow], float]:
    r"""The projections that carry the support of A to that of B equally well.

    With :math:`h(n) = \max_i n \cdot x_i` the extent of samples in direction n, they minimise over Q and t

    .. math:: \sum_n \frac{|h_B(n) - h_A(Q^\top n) - n \cdot t|^2}{s(n)^2}
        + \sum_k \frac{|Q a_k + t - b_k|^2}{\sigma^2}

    s(n) the distance from the outermost sample to the edge, as the next ones show it.

    Arguments:
        a: Samples of A, shape `(n_a, m)`, m at most 3, in input units.
        b: Samples of B, shape `(n_b, p)`, p below m.
        anchors: Points of A and of B, `(k, m)` and `(k, p)`, that correspond; None for none.
        accuracy: :math:`\sigma`, of the anchors' coordinates.

    Returns:
        The best projections, best first, and how many there are: `math.inf` for a continuum.
    """
    problem = _Problem(a, b, anchors, accuracy)
    tried = sorted(
        ((problem.cost(turn), turn) for turn in rotation_grid(a.shape[1])), key=lambda entry: entry[0]
    )
    found: list[tuple[float, Shadow]] = []
    starts: list[Tensor] = []

    for _, turn in tried:
        # Each start a new one, so that as many minima are found as there are.
        if len(starts) < REFINED and all((turn - other)[: b.shape[1]].norm() > DISTINCT for other in starts):
            starts.append(turn)

    for turn in starts:
        found.append(problem.refined(turn))

    best = min(entry[0] for entry in found)
    limit = max(EQUALLY_GOOD * best, WELL)
    good: list[Shadow] = []

    # Of those that fit, the ones that are fixed best come first.
    for cost, shadow in sorted(found, key=lambda entry: entry[1].slack):
        apart = all((shadow.motion.matrix - other.motion.matrix).norm() > DISTINCT for other in good)

        if cost <= limit and apart:
            good.append(shadow)

    free = any(shadow.free for shadow in good)

    return good, math.inf if free or len(good) > CONTINUUM else len(good)


class _Problem:
    def __init__(self, a: Tensor, b: Tensor, anchors: Anchors, accuracy: float) -> None:
        self.m, self.p = a.shape[1], b.shape[1]
        self.a, self.anchors, self.accuracy = _outermost(a), anchors, accuracy
        centred = a - a.mean(dim=0)
        self.covariance = centred.T @ centred / len(a)
        self.reach = self.covariance.trace().sqrt().item()
        self.tightness = max(accuracy, STEPS[0] * self.reach)  # of the anchors, while a minimum is sought
        self.skews = [skew_matrix(self.m, i, j) for i, j in itertools.combinations(range(self.m), 2)]

        if self.p == 1:
            self.directions = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        else:
            angle = 2 * math.pi * torch.arange(DIRECTIONS, dtype=torch.float64) / DIRECTIONS
            self.directions = torch.stack([angle.cos(), angle.sin()], dim=1)

        self.extent, self.rim = _extent(b, self.directions)

    def _solved(self, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""Offset, differences of extents and their scales, for a projection's Q, `(p, m)`."""
        extent, rim = _extent(self.a, self.directions @ matrix)
        gap, scale = self.extent - extent, torch.hypot(self.rim, rim)
        rows, goal = self.directions / scale[:, None], gap / scale

        if self.anchors is not None:
            shift = self.anchors[1] - self.anchors[0] @ matrix.T
            weight = 1 / self.tightness
            rows = torch.cat([rows, weight * torch.eye(self.p, dtype=torch.float64).repeat(len(shift), 1)])
            goal = torch.cat([goal, weight * shift.reshape(-1)])

        offset = torch.linalg.lstsq(rows, goal[:, None]).solution[:, 0]

        return offset, gap - self.directions @ offset, scale

    def cost(self, turn: Tensor) -> float:
        r"""Root mean square of all differences in units of what explains them."""
        matrix = turn[: self.p]
        offset, gap, scale = self._solved(matrix)
        square = (gap / scale).square().mean()

        if self.anchors is not None:
            missed = self.anchors[0] @ matrix.T + offset - self.anchors[1]
            square = square + missed.square().sum(dim=1).mean() / self.tightness**2

        return square.sqrt().item()

    def refined(self, turn: Tensor) -> tuple[float, Shadow]:
        r"""The nearest minimum: by simplices, since extents have kinks where edges of the support turn up."""
        from scipy.optimize import minimize

        def turned(angles: NDArray[np.float64]) -> Tensor:
            moved = turn

            for angle, skew in zip(angles, self.skews, strict=True):
                moved = torch.linalg.matrix_exp(float(angle) * skew) @ moved

            return moved

        k = len(self.skews)
        angles, best = np.zeros(k), math.inf

        # Anchors make a narrow valley, which is entered by steps.
        for share in STEPS if self.anchors is not None else STEPS[-1:]:
            self.tightness = max(self.accuracy, share * self.reach)
            simplex = np.vstack([angles, angles + max(share, 0.02) * 5 * np.eye(k)])
            options = {"initial_simplex": simplex, "xatol": 1e-9, "fatol": 1e-9, "maxfev": 120 * k}
            found = minimize(lambda x: self.cost(turned(x)), angles, method="Nelder-Mead", options=options)
            angles, best = found.x, float(found.fun)

        matrix = turned(angles)[: self.p]
        offset, gap, scale = self._solved(matrix)
        moved = [self._freedom(turned, angles, axis, best) for axis in np.eye(k)]
        own = scale.square().mean().sqrt().item() if self.anchors is None else self.accuracy
        shadow = Shadow(
            Motion(matrix, offset),
            (gap / scale).square().mean().sqrt().item(),
            gap.square().mean().sqrt().item(),
            math.hypot(*(size for size in moved if size is not None), own),
            None in moved,
        )

        return best, shadow

    def _freedom(
        self,
        turned: Callable[[NDArray[np.float64]], Tensor],
        angles: NDArray[np.float64],
        axis: NDArray[np.float64],
        best: float,
    ) -> float | None:
        r"""RMS displacement of a turn about an axis by which the sum of squares has grown by 1; None where none has."""
        grown = math.sqrt(best**2 + 1 / len(self.directions))

        def fits(size: float) -> bool:
            return max(self.cost(turned(angles + sign * size * axis)) for sign in (1, -1)) <= grown

        most = next((size for size in ANGLES if not fits(size)), None)

        if most is None:
            return None

        least = most / 2 if most > ANGLES[0] else 0.0

        for _ in range(BISECTIONS):
            middle = (least + most) / 2
            least, most = (middle, most) if fits(middle) else (least, middle)

        change = (turned(angles + most * axis) - turned(angles))[: self.p]

        return (change @ self.covariance @ change.T).trace().sqrt().item()


def _outermost(cloud: Tensor) -> Tensor:
    r"""The samples among the outermost in some direction."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(PROBED, cloud.shape[1], generator=generator, dtype=torch.float64)

    return cloud[(cloud @ directions.T).topk(min(OUTERMOST, len(cloud)), dim=0).indices.unique()]


def _extent(cloud: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    r"""Extents of samples in directions, and how far the outermost is from the edge, as the next ones show."""
    heights = (cloud @ directions.T).topk(min(OUTERMOST, len(cloud)), dim=0).values

    return heights[0], (heights[0] - heights[-1]) / (len(heights) - 1) + 1e-9 * heights[0].abs()

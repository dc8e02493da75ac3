r"""The projection that gives one support the support function of another: the least-squares problem, and how well
its minima are fixed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equiv.coordinates.motion import Motion, skew_matrix
from equiv.supports.outline_fit import Anchors
from equiv.supports.placed_projection import PlacedProjection
from equiv.supports.support_functions import even_directions, outermost_samples, support_function

__all__ = ["SupportFunctionFit"]


# Directions of the plane in which supports are compared.
# [directions; chosen: 7.5 degrees apart, as fine as the grid of starts]
DIRECTIONS = 48

# Likewise at minima: sides of a region are seen from as near to their normals as these directions come.
# [directions; chosen: one degree apart, too slow to search with]
FINE_DIRECTIONS = 360

# A projection fits as well as the best when its misfit is below this many times it.
# [dimensionless; chosen: a trade of symmetries that are missed against projections that are none]
EQUALLY_GOOD_PROJECTIONS = 1.5

# A projection whose misfit is below this fits, however well others do.
# [distances from outermost samples to the edge; derived: those of one space differ by one or two]
GOOD_MISFIT = 2.0

# Accuracies of anchors by which a minimum is approached.
# [shares of the spread; chosen: from that of the grid to rounding, each start within reach of the next]
ANCHOR_ACCURACIES = (1e-1, 1e-3, 1e-9)

# How often a minimum is sought without anchors, each time with the scales at the last one.
# [rounds; chosen: a trade of time, later ones change little]
MINIMISATIONS = 3

# First turns of a simplex over the accuracy of the anchors, where these make the valley narrow.
# [dimensionless; chosen: wide enough to move along the valley]
TURN_PER_ACCURACY = 5.0

# Simplices smaller than this, in turns and in misfits, are minima.
# [radians and dimensionless; chosen: far below what samples show]
SIMPLEX_TOLERANCE = 1e-9

# Evaluations at most for each parameter of a turn.
# [evaluations; chosen: a trade of time, searches from bad starts are cut short]
SIMPLEX_EVALUATIONS = 120

# Samples outermost in a direction at a minimum among which are those outermost near it.
# [samples; chosen: turns by a few degrees bring up no others]
NEAR_EDGE = 20

# Turns tried around a minimum; where the largest still fits, all turns do.
# [radians; chosen: doubled from rounding to a quarter]
TRIED_ANGLES = [2.0**-power for power in range(24, 1, -1)]

# Projections that stand for all of what looks the same from all sides, at the most about twice as many.
# [projections; chosen: a few degrees apart in the plane]
PROJECTIONS_ALL_AROUND = 64

# How often the interval between a turn that fits and one that does not is bisected.
# [bisections; derived: to 1 / 32 of it]
BISECTIONS = 5


class SupportFunctionFit:
    r"""The least-squares problem of `equiv.supports.projections.find_projections`.

    Arguments:
        a: Samples of A, shape `(n_a, m)`, in input units.
        b: Samples of B, shape `(n_b, p)`, p below m.
        anchors: Points of A and of B, `(k, m)` and `(k, p)`, that correspond; None for none.
        accuracy: Of the anchors' coordinates.
    """

    def __init__(self, a: Tensor, b: Tensor, anchors: Anchors, accuracy: float) -> None:
        self.m, self.p = a.shape[1], b.shape[1]
        self.a, self.anchors, self.accuracy = outermost_samples(a), anchors, accuracy
        self.source = a
        centred = a - a.mean(dim=0)
        self.covariance = centred.T @ centred / len(a)
        self.reach = self.covariance.trace().sqrt().item()
        # Accuracy that the anchors are taken to have while a minimum is sought.
        self.tightness = max(accuracy, ANCHOR_ACCURACIES[0] * self.reach)
        # Turns of what is not seen change nothing.
        planes = [(i, j) for i, j in itertools.combinations(range(self.m), 2) if i < self.p]
        self.skews = torch.stack([skew_matrix(self.m, i, j) for i, j in planes])  # (k, m, m)

        if self.p == 1:
            self.directions = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        else:
            self.directions = even_directions(DIRECTIONS)

        self.target = b
        self._measure()

    def look_closer(self, turns: list[Tensor]) -> None:
        r"""From now on looks in as many directions as sides take, at the samples outermost near these turns."""
        self.directions = even_directions(FINE_DIRECTIONS)
        heights = torch.cat([self.source @ turn[: self.p].T @ self.directions.T for turn in turns], dim=1)
        self.a = self.source[heights.topk(min(NEAR_EDGE, len(heights)), dim=0).indices.unique()]
        self._measure()

    def _measure(self) -> None:
        self.height, self.rim = support_function(self.target, self.directions)
        # Directions in which the same sample is outermost say the same.
        outermost = (self.target @ self.directions.T).argmax(dim=0)
        self.weight = 1 / outermost.bincount()[outermost].double()

    def _mean(self, squares: Tensor) -> Tensor:
        return (self.weight * squares).sum() / self.weight.sum()

    def _solved(self, matrix: Tensor, scale: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        r"""Offset, differences of support functions and their scales, if not known, for a projection's Q, `(p, m)`."""
        looks = self.directions @ matrix

        if scale is None:
            height, rim = support_function(self.a, looks)
            scale = (self.rim.square() + rim.square() + self.accuracy**2).sqrt()
        else:
            height = (looks @ self.a.T).amax(dim=1)

        gap = self.height - height
        each = self.weight.sqrt() / scale
        rows, goal = self.directions * each[:, None], gap * each

        if self.anchors is not None:
            shift = self.anchors[1] - self.anchors[0] @ matrix.T
            weight = 1 / self.tightness
            rows = torch.cat([rows, weight * torch.eye(self.p, dtype=torch.float64).repeat(len(shift), 1)])
            goal = torch.cat([goal, weight * shift.reshape(-1)])

        offset = torch.linalg.lstsq(rows, goal[:, None], driver="gelsd").solution[:, 0]

        return offset, gap - self.directions @ offset, scale

    def cost(self, turn: Tensor, scale: Tensor | None = None) -> float:
        r"""Root mean square of all differences in units of what explains them."""
        matrix = turn[: self.p]
        offset, gap, scale = self._solved(matrix, scale)
        square = self._mean((gap / scale).square())

        if self.anchors is not None:
            missed = self.anchors[0] @ matrix.T + offset - self.anchors[1]
            square = square + missed.square().sum(dim=1).mean() / self.tightness**2

        return square.sqrt().item()

    def _turned(self, turn: Tensor, angles: NDArray[np.float64]) -> Tensor:
        return torch.linalg.matrix_exp(torch.tensordot(torch.from_numpy(angles), self.skews, 1)) @ turn

    def fitting(self, found: list[tuple[float, Tensor]]) -> list[tuple[float, Tensor]]:
        r"""Those that fit about as well as the best."""
        limit = max(EQUALLY_GOOD_PROJECTIONS * min(cost for cost, _ in found), GOOD_MISFIT)

        return [(cost, turn) for cost, turn in found if cost <= limit]

    def refined(self, turn: Tensor, size: float) -> tuple[float, Tensor]:
        r"""The nearest minimum: by simplices, since support functions have kinks where edges of the support turn up."""
        from scipy.optimize import minimize

        k = len(self.skews)

        # Anchors make a narrow valley, which is entered by steps; scales are those at the start of each.
        for share in (
            ANCHOR_ACCURACIES if self.anchors is not None else ANCHOR_ACCURACIES[-1:] * MINIMISATIONS
        ):
            self.tightness = max(self.accuracy, share * self.reach)
            _, _, scale = self._solved(turn[: self.p])
            found = minimize(
                lambda x, start, scale: self.cost(self._turned(start, x), scale),
                np.zeros(k),
                (turn, scale),
                method="Nelder-Mead",
                options={
                    "initial_simplex": np.vstack(
                        [np.zeros(k), max(TURN_PER_ACCURACY * share, size) * np.eye(k)]
                    ),
                    "xatol": SIMPLEX_TOLERANCE,
                    "fatol": SIMPLEX_TOLERANCE,
                    "maxfev": SIMPLEX_EVALUATIONS * k,
                },
            )
            turn = self._turned(turn, found.x)

        return self.cost(turn), turn

    def placed(self, cost: float, turn: Tensor) -> PlacedProjection:
        r"""The projection at a minimum, and how well it is fixed."""
        offset, gap, scale = self._solved(turn[: self.p])
        turned = (self.skews @ turn)[:, : self.p]  # (k, p, m)
        axes = torch.eye(len(turned), dtype=torch.float64)

        if self.anchors is not None:
            # What they leave open is a combination of turns.
            moves = (turned @ (self.anchors[0] - self.anchors[0].mean(dim=0)).T).flatten(1)
            axes = torch.linalg.eigh(moves @ moves.T)[1].T

        moved = [self._freedom(turn, axis.numpy(), cost) for axis in axes]
        free = [axis for axis, size in zip(axes, moved, strict=True) if size is None]
        edge = self._shift(scale)
        own = edge if self.anchors is None else self.accuracy

        return PlacedProjection(
            Motion(turn[: self.p], offset),
            self._mean((gap / scale).square()).sqrt().item(),
            self._mean(gap.square()).sqrt().item(),
            math.hypot(*(size for size in moved if size is not None), own),
            edge,
            torch.tensordot(torch.stack(free), turned, 1) if free else None,
        )

    def centred(self, turns: list[Tensor]) -> list[PlacedProjection]:
        r"""The projections onto a line of what looks the same from all sides: the first, and others all around.

        Every turn says by its offset, :math:`t = t_0 - q \cdot c`, where the middle c is, and each is as good as all
        others.
        """
        rows = torch.cat([turn[:1] for turn in turns])  # (k, m)
        solved = [self._solved(row[None]) for row in rows]
        offsets = torch.cat([offset for offset, _, _ in solved])
        design = torch.cat([torch.ones(len(rows), 1, dtype=torch.float64), -rows], dim=1)
        found = torch.linalg.lstsq(design, offsets[:, None], driver="gelsd").solution[:, 0]
        left = (offsets - design @ found).square().mean()
        # Turns that see the same samples outermost say the same; each sees one at either end.
        seen = (torch.cat([rows, -rows]) @ self.a.T).argmax(dim=1).unique()
        middle = (left * len(found) / (len(seen) / 2)).sqrt().item()
        gaps = torch.stack([gap for _, gap, _ in solved])
        # What the target is too short by is missing at its two ends, in shares that nothing tells.
        rims = support_function(self.a, torch.cat([rows, -rows]))[1]
        short = max((rims.mean() - gaps.mean()).item(), 0.0) / math.sqrt(3)
        slack = math.hypot(middle, max(self._shift(self.rim), short))
        shares = gaps / torch.stack([scale for _, _, scale in solved])
        misfit, distance = (each.square().mean().sqrt().item() for each in (shares, gaps))

        every = range(0, len(rows), max(1, len(rows) // PROJECTIONS_ALL_AROUND))
        motions = [Motion(rows[row : row + 1], design[row : row + 1] @ found) for row in every]
        free = [torch.linalg.svd(motion.matrix)[2][1:, None] for motion in motions]

        return [
            PlacedProjection(motion, misfit, distance, slack, slack, turns)
            for motion, turns in zip(motions, free, strict=True)
        ]

    def _shift(self, scale: Tensor) -> float:
        r"""How well support functions with these errors fix the offset."""
        information = torch.einsum(
            "n,na,nb->ab", self.weight / scale.square(), self.directions, self.directions
        )

        return torch.linalg.inv(information).trace().sqrt().item()

    def _freedom(self, turn: Tensor, axis: NDArray[np.float64], best: float) -> float | None:
        r"""RMS displacement of a turn about an axis by which the sum of squares has grown by 1; None where none has."""
        grown = math.sqrt(best**2 + 1 / self.weight.sum().item())

        def fits(size: float) -> bool:
            return max(self.cost(self._turned(turn, sign * size * axis)) for sign in (1, -1)) <= grown

        most = next((size for size in TRIED_ANGLES if not fits(size)), None)

        if most is None:
            return None

        least = most / 2 if most > TRIED_ANGLES[0] else 0.0

        for _ in range(BISECTIONS):
            middle = (least + most) / 2
            least, most = (middle, most) if fits(middle) else (least, middle)

        change = (self._turned(turn, most * axis) - turn)[: self.p]

        return (change @ self.covariance @ change.T).trace().sqrt().item()

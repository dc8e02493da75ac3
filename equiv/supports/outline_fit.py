r"""The rigid motion that lays one outline over another, from a start that is nearly right."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.motion import skew_matrix
from equiv.supports.support import Outline

__all__ = [
    "END_LOOSENESS",
    "LINE_LOOSENESS",
    "OUTLINE_LOOSENESS",
    "SMALLEST_GAP",
    "Alignment",
    "Anchors",
    "fit_outlines",
    "middle_of",
    "outline_gaps",
]

# Gauss-Newton steps at most.
# [steps; chosen: a trade of time, ends fits that do not settle]
STEPS = 20

# A step of which no parameter is larger is the last.
# [input units and radians; chosen: far below what samples show, far above rounding]
SETTLED = 1e-9

# No step turns by more.
# [radians; chosen: about as far as linearised gaps hold]
LARGEST_TURN = 0.2

# Gaps below this weigh as if they had it, in the least absolute ones.
# [distances of samples; chosen: keeps weights finite, far below what sampling leaves]
SMALLEST_GAP = 0.02

# Anchors outweigh the outlines by this factor.
# [dimensionless; chosen: anchors are exact, outlines are known to a share of the distance of samples]
ANCHOR_WEIGHT = 100.0

# Standard deviation of the distance between the ends of two intervals, per end.
# [distances of samples; measured: on synthetic supports]
END_LOOSENESS = 1.4

# Standard deviation of the distance between outlines, per boundary sample.
# [distances of samples; measured: on synthetic supports]
OUTLINE_LOOSENESS = 0.7

# Likewise of outlines by supporting lines.
# [distances of samples; measured: on synthetic supports]
LINE_LOOSENESS = 0.4

# By dimension: largest misfit of the outlines of two samples of one support; an interval has two ends only, whose
# gaps are exponentially distributed.
# [distances of samples; measured: 0.2 to 0.5, of few and uneven samples 0.6, in space 0.4 to 0.5]
AGREEING_MISFIT = {1: 5.0, 2: 0.55, 3: 0.52}

# By dimension: beyond it the supports differ, or one has a hole where the other has few samples by chance.
# [distances of samples; chosen: a little above what is measured of one support]
DIFFERING_MISFIT = {1: 5.0, 2: 0.65, 3: 0.57}

Anchors = tuple[Tensor, Tensor] | None


@dataclass(frozen=True)
class Alignment:
    r"""A rigid motion :math:`g(u) = Q u + t` between two supports.

    Attributes:
        matrix: Q, shape `(m, m)`.
        offset: t, shape `(m,)`, in input units.
        misfit: RMS distance between the outlines over the distance of samples there, dimensionless: below
            1 where the supports are the same.
        distance: RMS distance between the outlines, in input units.
        covariance: Of the motion's parameters, m translations, then the rotations in the order of
            `itertools.combinations(range(m), 2)`, in input units and radians, about `middle`.
        middle: Shape `(m,)`.
    """

    matrix: Tensor
    offset: Tensor
    misfit: float
    distance: float
    covariance: Tensor
    middle: Tensor

    @property
    def agrees(self) -> bool:
        r"""Whether sampling explains the distance between the outlines."""
        return self.misfit <= AGREEING_MISFIT[len(self.offset)]

    @property
    def differs(self) -> bool:
        r"""Whether sampling cannot explain it, but for a hole or none where samples are few."""
        return self.misfit > DIFFERING_MISFIT[len(self.offset)]


def fit_outlines(
    a: Outline,
    b: Outline,
    matrix: Tensor,
    offset: Tensor,
    anchors: Anchors,
    *,
    steps: int = STEPS,
    turning: bool = True,
) -> Alignment:
    r"""Gauss-Newton on the gaps between the outlines, along their normals: the least absolute ones."""
    m = len(offset)
    middle = middle_of(b.points)
    generators = [skew_matrix(m, i, j) for i, j in itertools.combinations(range(m), 2)] if turning else []

    for _ in range(steps):
        design, defect, _, _ = _equations(a, b, matrix, offset, middle, generators, anchors)
        change = torch.linalg.lstsq(design, -defect[:, None], driver="gelsd").solution[:, 0]
        matrix, offset = _moved(matrix, offset, middle, generators, change)

        if change.abs().max() < SETTLED:
            break

    design, _, misfit, distance = _equations(a, b, matrix, offset, middle, generators, anchors, power=2.0)
    share = len(design) / (a.samples + b.samples)
    looseness = OUTLINE_LOOSENESS if m > 1 else END_LOOSENESS
    covariance = looseness**2 * share * torch.linalg.pinv(design.T @ design, hermitian=True)

    return Alignment(matrix, offset, misfit, distance, covariance, middle)


def _moved(
    matrix: Tensor, offset: Tensor, middle: Tensor, generators: list[Tensor], change: Tensor
) -> tuple[Tensor, Tensor]:
    m = len(offset)
    turn = torch.eye(m, dtype=torch.float64)

    for angle, generator in zip(change[m:].clamp(-LARGEST_TURN, LARGEST_TURN), generators, strict=True):
        turn = torch.linalg.matrix_exp(angle * generator) @ turn

    return turn @ matrix, turn @ (offset - middle) + middle + change[:m]


def _equations(
    a: Outline,
    b: Outline,
    matrix: Tensor,
    offset: Tensor,
    middle: Tensor,
    generators: list[Tensor],
    anchors: Anchors,
    power: float = 1.0,
) -> tuple[Tensor, Tensor, float, float]:
    r"""Linearised gaps, the gaps, both weighted for least powers, and the RMS distance of the outlines, in
    distances of samples and in input units."""
    rows, gaps, squares, scales = [], [], [], []

    for distance, gap, normal, moved, scale in outline_gaps(a, b, matrix, offset):
        columns = [normal, *(((moved - middle) @ g.T * normal).sum(dim=1, keepdim=True) for g in generators)]
        weight = (gap / scale).abs().clamp_min(SMALLEST_GAP) ** (power / 2 - 1) / scale
        rows.append(torch.cat(columns, dim=1) * weight[:, None])
        gaps.append(gap * weight)
        squares.append(distance.square())
        scales.append(scale)

    if anchors is not None:
        ends = anchors[0] @ matrix.T + offset
        k, m = ends.shape
        weight = ANCHOR_WEIGHT / torch.cat(scales).mean()
        turned = [((ends - middle) @ g.T)[:, :, None] for g in generators]
        shifted = torch.eye(m, dtype=torch.float64).expand(k, m, m)
        rows.append(torch.cat([shifted, *turned], dim=2).reshape(k * m, -1) * weight)
        gaps.append((ends - anchors[1]).reshape(-1) * weight)

    square = torch.cat(squares)
    relative = (square / torch.cat(scales).square()).mean().sqrt().item()

    return torch.cat(rows), torch.cat(gaps), relative, square.mean().sqrt().item()


def outline_gaps(a: Outline, b: Outline, matrix: Tensor, offset: Tensor) -> Iterator[tuple[Tensor, ...]]:
    r"""Distance, signed gap, its derivative by the moved point, that point, scale: A against B and back."""
    points, normals = a.points @ matrix.T + offset, a.normals @ matrix.T
    distance, nearest = _nearest(b, points)
    normal = b.normals[nearest]
    gap = ((points - b.points[nearest]) * normal).sum(dim=1)
    yield distance, gap, normal, points, torch.hypot(a.scale, b.scale[nearest])

    distance, nearest = _nearest(a, (b.points - offset) @ matrix)
    normal = -normals[nearest]
    gap = ((points[nearest] - b.points) * normal).sum(dim=1)
    yield distance, gap, normal, points[nearest], torch.hypot(b.scale, a.scale[nearest])


def _nearest(outlined: Outline, points: Tensor) -> tuple[Tensor, Tensor]:
    distance, index = outlined.tree.query(points.numpy())

    return torch.from_numpy(distance), torch.from_numpy(index).long()


def middle_of(points: Tensor) -> Tensor:
    return (points.amin(dim=0) + points.amax(dim=0)) / 2

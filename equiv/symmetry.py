r"""Rigid motions that lay one support over another: without anchors, or with too few of them.

Sampling density is no evidence, so only the outlines of the supports count. All rotations are tried on a
grid, the best are refined until the outlines fit, and those that fit equally well are the symmetries.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.anchors import Motion
from equiv.support import NEIGHBORS, Outline, outline
from equiv.supporting_lines import fit_by_supporting_lines

__all__ = ["Alignment", "align", "equally_good", "rotation_grid"]

# Outlines of two samples of one support differ by 0.3 to 0.6 of the distance of samples there.
SAME = 1.0
# An interval has two ends only, whose gaps are exponentially distributed.
SAME_ENDS = 5.0
# More motions than this that fit equally well are a continuum.
CONTINUUM = {2: 16, 3: 48}

# Motions refined; the symmetries of a cube are 48.
REFINED = 40
STEPS = 20
# Standard deviation of the distance between outlines, in distances of samples, per boundary sample: for the
# two ends of an interval, by outlines, and by supporting lines; from synthetic supports.
ENDS, OUTLINES, LINES = 1.4, 0.7, 0.4
# Two motions are the same when their matrices differ by less.
DISTINCT = 0.3
# Anchors outweigh the outlines by this factor.
ANCHOR_WEIGHT = 100.0
# A motion fits as well as the best when its misfit is below this many times it.
EQUALLY_GOOD = 1.35
# Turns, in radians, under which a support of continuous symmetry fits as well as before.
TURNS = (0.13, 0.31, 0.53, 0.89)

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
        return self.misfit <= (SAME if len(self.offset) > 1 else SAME_ENDS)


def align(a: Tensor, b: Tensor, anchors: Anchors = None) -> tuple[list[Alignment], float]:
    r"""The rigid motions that carry the support of A to that of B equally well.

    Arguments:
        a: Samples of A, shape `(n_a, m)`, m at most 3, in input units.
        b: Samples of B, shape `(n_b, m)`.
        anchors: Points of A and of B, each `(k, m)`, that correspond: motions have to carry one to the other.

    Returns:
        The best motions, best first, and how many there are: `math.inf` for a continuum.
    """
    first, second = outline(a), outline(b)
    thin = _thinned(first), _thinned(second)
    coarse = [_coarse(*thin, matrix, anchors) for matrix in rotation_grid(a.shape[1])]
    coarse.sort(key=lambda entry: entry.misfit)
    settled = _distinct([_fit(*thin, c.matrix, c.offset, anchors, steps=8) for c in coarse[:REFINED]])
    best = _fit(first, second, settled[0].matrix, settled[0].offset, anchors)

    free = _free_axis(first, second, best, anchors) if a.shape[1] > 1 else None

    if free is not None:
        return [_without(free, best)], math.inf

    # Thinned outlines are noisier: what is far off there is far off.
    near = [s for s in settled if s.misfit <= 2 * max(settled[0].misfit, 0.5)]
    fits = _distinct([_fit(first, second, s.matrix, s.offset, anchors) for s in near])
    good = [fit for fit in fits if fit.misfit <= EQUALLY_GOOD * max(fits[0].misfit, 0.3)]
    if a.shape[1] == 2 and anchors is None:
        good = [_sharpened(a, b, second, fit) for fit in good]

    return good, len(good) if len(good) <= CONTINUUM.get(a.shape[1], 2) else math.inf


def _sharpened(a: Tensor, b: Tensor, edge: Outline, fit: Alignment) -> Alignment:
    r"""The alignment refined by the outermost samples of both sides."""
    radius = edge.scale.median().item() * NEIGHBORS**0.5
    moved = Motion(fit.matrix, fit.offset)
    near = [torch.cdist(cloud, edge.points).amin(dim=1) < 2 * radius for cloud in (moved(a), b)]
    motion = fit_by_supporting_lines(a[near[0]], b[near[1]], edge, moved, radius)

    covariance = fit.covariance * (LINES / OUTLINES) ** 2

    return replace(fit, matrix=motion.matrix, offset=motion.offset, covariance=covariance)


def _distinct(fits: list[Alignment]) -> list[Alignment]:
    r"""The fits, best first, without those that turned out the same motion as a better one."""
    kept: list[Alignment] = []

    for fit in sorted(fits, key=lambda entry: entry.misfit):
        if all((fit.matrix - other.matrix).norm() > DISTINCT for other in kept):
            kept.append(fit)

    return kept


def equally_good(a: Tensor, b: Tensor, motions: list[Motion]) -> list[int]:
    r"""Which of some given motions fit the outlines as well as the best of them.

    Arguments:
        a: Samples of A, shape `(n_a, m)`, m at most 3, in input units.
        b: Samples of B, shape `(n_b, m)`.
        motions: The motions, one at least.
    """
    first, second = outline(a), outline(b)
    misfits = [_fit(first, second, g.matrix, g.offset, None, steps=0).misfit for g in motions]
    limit = EQUALLY_GOOD * max(min(misfits), 0.3)

    return [index for index, misfit in enumerate(misfits) if misfit <= limit]


def rotation_grid(m: int) -> list[Tensor]:
    r"""Elements of O(m), m at most 3, with one within about 5 (m = 2) or 20 degrees (m = 3) of any."""
    identity = torch.eye(m, dtype=torch.float64)

    if m == 1:
        return [identity, -identity]

    if m == 2:
        mirror = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
        turns = [torch.linalg.matrix_exp(2 * math.pi * step / 40 * _generator(2, 0, 1)) for step in range(40)]

        return [turn @ flip for turn in turns for flip in (identity, mirror)]

    generator = torch.Generator().manual_seed(0)
    drawn = torch.linalg.qr(torch.randn(600, m, m, generator=generator, dtype=torch.float64))[0]

    return [sign * matrix for matrix in drawn for sign in (1.0, -1.0)]


def _free_axis(a: Outline, b: Outline, best: Alignment, anchors: Anchors) -> Tensor | None:
    r"""The axis about which the best motion may be turned and still fits, as rotation parameters; None
    without.

    Then the symmetries are a continuum.
    """
    m = len(best.offset)
    weakest = torch.linalg.eigh(best.covariance[m:, m:])[1][:, -1]
    axis = torch.zeros(m, m, dtype=torch.float64)

    for share, (i, j) in zip(weakest, itertools.combinations(range(m), 2), strict=True):
        axis += share * _generator(m, i, j)

    for angle in TURNS:
        turn = torch.linalg.matrix_exp(angle * axis)
        moved = turn @ (best.offset - best.middle) + best.middle
        fit = _fit(a, b, turn @ best.matrix, moved, anchors, turning=False)

        if fit.misfit > EQUALLY_GOOD * max(best.misfit, 0.3):
            return None

    return weakest


def _without(axis: Tensor, fit: Alignment) -> Alignment:
    r"""The alignment with no uncertainty about an axis that all turns about are as good."""
    m = len(fit.offset)
    keep = torch.eye(len(fit.covariance), dtype=torch.float64)
    keep[m:, m:] -= axis[:, None] * axis

    return replace(fit, covariance=keep @ fit.covariance @ keep)


def _coarse(a: Outline, b: Outline, matrix: Tensor, anchors: Anchors) -> Alignment:
    r"""A few steps of translation, from the middles of the bounding boxes or from the anchors."""
    if anchors is None:
        offset = _middle(b.points) - _middle(a.points @ matrix.T)
    else:
        offset = (anchors[1] - anchors[0] @ matrix.T).mean(dim=0)

    return _fit(a, b, matrix, offset, anchors, steps=4, turning=False)


def _middle(points: Tensor) -> Tensor:
    return (points.amin(dim=0) + points.amax(dim=0)) / 2


def _thinned(outlined: Outline) -> Outline:
    every = slice(None, None, max(1, len(outlined.points) // 100))

    return Outline(outlined.points[every], outlined.normals[every], outlined.scale[every], outlined.samples)


def _fit(
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
    middle = _middle(b.points)
    generators = [_generator(m, i, j) for i, j in itertools.combinations(range(m), 2)] if turning else []

    for _ in range(steps):
        design, defect, _, _ = _equations(a, b, matrix, offset, middle, generators, anchors)
        change = torch.linalg.lstsq(design, -defect[:, None], driver="gelsd").solution[:, 0]
        matrix, offset = _moved(matrix, offset, middle, generators, change)

        if change.abs().max() < 1e-9:
            break

    design, _, misfit, distance = _equations(a, b, matrix, offset, middle, generators, anchors, power=2.0)
    share = len(design) / (a.samples + b.samples)
    looseness = OUTLINES if m > 1 else ENDS
    covariance = looseness**2 * share * torch.linalg.pinv(design.T @ design, hermitian=True)

    return Alignment(matrix, offset, misfit, distance, covariance, middle)


def _moved(
    matrix: Tensor, offset: Tensor, middle: Tensor, generators: list[Tensor], change: Tensor
) -> tuple[Tensor, Tensor]:
    m = len(offset)
    turn = torch.eye(m, dtype=torch.float64)

    for angle, generator in zip(change[m:].clamp(-0.2, 0.2), generators, strict=True):
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

    for distance, gap, normal, moved, scale in _gaps(a, b, matrix, offset):
        columns = [normal, *(((moved - middle) @ g.T * normal).sum(dim=1, keepdim=True) for g in generators)]
        weight = (gap / scale).abs().clamp_min(0.02) ** (power / 2 - 1) / scale
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


def _gaps(a: Outline, b: Outline, matrix: Tensor, offset: Tensor) -> Iterator[tuple[Tensor, ...]]:
    r"""Distance, signed gap, its derivative by the moved point, that point, scale: A against B and back."""
    points, normals = a.points @ matrix.T + offset, a.normals @ matrix.T
    separations = torch.cdist(points, b.points)

    distance, nearest = separations.min(dim=1)
    normal = b.normals[nearest]
    gap = ((points - b.points[nearest]) * normal).sum(dim=1)
    yield distance, gap, normal, points, torch.hypot(a.scale, b.scale[nearest])

    distance, nearest = separations.min(dim=0)
    normal = -normals[nearest]
    gap = ((points[nearest] - b.points) * normal).sum(dim=1)
    yield distance, gap, normal, points[nearest], torch.hypot(b.scale, a.scale[nearest])


def _generator(m: int, i: int, j: int) -> Tensor:
    generator = torch.zeros(m, m, dtype=torch.float64)
    generator[i, j], generator[j, i] = -1.0, 1.0

    return generator

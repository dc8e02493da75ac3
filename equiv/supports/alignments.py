r"""Rigid motions that lay one support over another: without anchors, or with too few of them.

Sampling density is no evidence, so only the outlines of the supports count. All rotations are tried on a
grid, the best are refined until the outlines fit, and those that fit equally well are the symmetries.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import torch
from torch import Tensor

from equiv.coordinates.motion import Motion, rotation_grid, skew_matrix
from equiv.supports.limits import NEIGHBORS
from equiv.supports.outline_fit import (
    LINE_LOOSENESS,
    OUTLINE_LOOSENESS,
    Alignment,
    Anchors,
    fit_outlines,
    middle_of,
)
from equiv.supports.support import Outline, outline
from equiv.supports.supporting_lines import WINDOW, fit_by_supporting_lines

__all__ = ["align", "equally_good"]


# By dimension: more motions than this that fit equally well are a continuum.
# [motions; chosen: a cube has 48, and a plane region with more than a regular octagon's 16 is as good as round]
MOTIONS_OF_A_CONTINUUM = {2: 16, 3: 48}

# By dimension: starts that are refined, the best of the grid.
# [motions; chosen: all in one dimension, in more two to three times as many as supports have symmetries]
REFINED_MOTIONS = {1: 2, 2: 40, 3: 120}

# Steps of the translation from each rotation of the grid.
# [steps; chosen: the grid is ordered by what they leave, and has hundreds of rotations]
COARSE_STEPS = 4

# Steps of the rigid motion from each start that is refined.
# [steps; chosen: enough to tell the starts apart, the best is refined further]
SETTLING_STEPS = 8

# Points of the outlines while starts are compared.
# [points; chosen: a quarter of those that the final fit has]
THINNED_POINTS = 100

# Two motions are the same when their matrices differ by less.
# [Frobenius norm of an orthogonal matrix; chosen: a turn by 12 degrees in the plane, less than any symmetry's]
DISTINCT_MOTIONS = 0.3

# A motion fits as well as the best when its misfit is below this many times it.
# [dimensionless; chosen: a trade of symmetries that are missed against motions that are none]
EQUALLY_GOOD_OUTLINES = 1.35

# Misfits below this are luck, and the best is counted as if it had it.
# [distances of samples; chosen: those of two samples of one plane region are 0.2 to 0.5]
USUAL_MISFIT = 0.3

# Likewise of thinned outlines.
# [distances of samples; chosen: thinned outlines are noisier]
USUAL_THINNED_MISFIT = 0.5

# Turns under which a support of continuous symmetry fits as well as before.
# [radians; chosen: no multiples of each other, so that no polygon fits under all of them]
TURNS = (0.13, 0.31, 0.53, 0.89)

# Turns about that axis, and about it after each reflection, that stand for all of them.
# [turns; chosen: one of them is the half turn, the farthest of most]
MEMBERS_OF_A_CONTINUUM = 32


def align(a: Tensor, b: Tensor, anchors: Anchors = None) -> tuple[list[Alignment], float]:
    r"""The rigid motions that carry the support of A to that of B equally well.

    Arguments:
        a: Samples of A, shape `(n_a, m)`, m at most 3, in input units.
        b: Samples of B, shape `(n_b, m)`.
        anchors: Points of A and of B, each `(k, m)`, that correspond: motions have to carry one to the other.

    Returns:
        The best motions, best first, and how many there are: `math.inf` for a continuum, of which members spread
        evenly over it follow the best.
    """
    first, second = outline(a), outline(b)
    thin = _thinned(first), _thinned(second)
    coarse = [_coarse(*thin, matrix, anchors) for matrix in rotation_grid(a.shape[1])]
    coarse.sort(key=lambda entry: entry.misfit)
    settled = _distinct(
        [
            fit_outlines(*thin, c.matrix, c.offset, anchors, steps=SETTLING_STEPS)
            for c in coarse[: REFINED_MOTIONS[a.shape[1]]]
        ]
    )
    best = fit_outlines(first, second, settled[0].matrix, settled[0].offset, anchors)

    free = _free_axis(first, second, best, anchors) if a.shape[1] > 1 else None

    if free is not None:
        return [_without(free, best), *_members(first, second, best, free, anchors)], math.inf

    # Thinned outlines are noisier: what is far off there is far off.
    near = [s for s in settled if s.misfit <= 2 * max(settled[0].misfit, USUAL_THINNED_MISFIT)]
    fits = _distinct([fit_outlines(first, second, s.matrix, s.offset, anchors) for s in near])
    good = [fit for fit in fits if fit.misfit <= EQUALLY_GOOD_OUTLINES * max(fits[0].misfit, USUAL_MISFIT)]
    if a.shape[1] == 2 and anchors is None:
        good = [_sharpened(a, b, first, second, fit) for fit in good]

    return good, len(good) if len(good) <= MOTIONS_OF_A_CONTINUUM.get(a.shape[1], 2) else math.inf


def _sharpened(a: Tensor, b: Tensor, first: Outline, edge: Outline, fit: Alignment) -> Alignment:
    r"""The alignment refined by the outermost samples of both sides."""
    radius = edge.scale.median().item() * NEIGHBORS**0.5
    moved = Motion(fit.matrix, fit.offset)
    near = [torch.cdist(cloud, edge.points).amin(dim=1) < 2 * radius for cloud in (moved(a), b)]
    opposite = first.tree.query(moved.inverse(edge.points).numpy())[1]
    scale = torch.hypot(edge.scale, first.scale[opposite])
    motion = fit_by_supporting_lines(a[near[0]], b[near[1]], edge, scale, moved, radius)

    # Windows as long as the edges themselves hold corners, and gain nothing.
    spread = (b - b.mean(dim=0)).square().sum(dim=1).mean().sqrt().item()
    gain = min(max(LINE_LOOSENESS / OUTLINE_LOOSENESS, WINDOW * radius / spread), 1.0)
    covariance = fit.covariance * gain**2

    return replace(fit, matrix=motion.matrix, offset=motion.offset, covariance=covariance)


def _distinct(fits: list[Alignment]) -> list[Alignment]:
    r"""The fits, best first, without those that turned out the same motion as a better one."""
    kept: list[Alignment] = []

    for fit in sorted(fits, key=lambda entry: entry.misfit):
        if all((fit.matrix - other.matrix).norm() > DISTINCT_MOTIONS for other in kept):
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
    misfits = [fit_outlines(first, second, g.matrix, g.offset, None, steps=0).misfit for g in motions]
    limit = EQUALLY_GOOD_OUTLINES * max(min(misfits), USUAL_MISFIT)

    return [index for index, misfit in enumerate(misfits) if misfit <= limit]


def _free_axis(a: Outline, b: Outline, best: Alignment, anchors: Anchors) -> Tensor | None:
    r"""The axis about which the best motion may be turned and still fits, as rotation parameters; None
    without.

    Then the symmetries are a continuum.
    """
    m = len(best.offset)
    weakest = torch.linalg.eigh(best.covariance[m:, m:])[1][:, -1]
    axis = _skew(weakest, m)

    for angle in TURNS:
        turn = torch.linalg.matrix_exp(angle * axis)
        moved = turn @ (best.offset - best.middle) + best.middle
        fit = fit_outlines(a, b, turn @ best.matrix, moved, anchors, turning=False)

        if fit.misfit > EQUALLY_GOOD_OUTLINES * max(best.misfit, USUAL_MISFIT):
            return None

    return weakest


def _skew(rotation: Tensor, m: int) -> Tensor:
    r"""The skew matrix of rotation parameters."""
    skew = torch.zeros(m, m, dtype=torch.float64)

    for share, (i, j) in zip(rotation, itertools.combinations(range(m), 2), strict=True):
        skew += share * skew_matrix(m, i, j)

    return skew


def _members(a: Outline, b: Outline, best: Alignment, free: Tensor, anchors: Anchors) -> list[Alignment]:
    r"""Turns about a free axis, spread evenly, and those after reflections along and across it that fit as well."""
    m = len(best.offset)
    axis, identity = _skew(free, m), torch.eye(m, dtype=torch.float64)
    directions = torch.linalg.svd(axis).Vh
    mirrors = [identity, identity - 2 * torch.outer(directions[0], directions[0])]

    if m == 3:
        mirrors += [mirror - 2 * torch.outer(directions[2], directions[2]) for mirror in mirrors]

    members = []

    for mirror in mirrors:
        for step in range(MEMBERS_OF_A_CONTINUUM):
            turn = torch.linalg.matrix_exp(2 * math.pi * step / MEMBERS_OF_A_CONTINUUM * axis) @ mirror
            moved = turn @ (best.offset - best.middle) + best.middle
            fit = fit_outlines(a, b, turn @ best.matrix, moved, anchors, steps=COARSE_STEPS, turning=False)

            if (
                fit.misfit <= EQUALLY_GOOD_OUTLINES * max(best.misfit, USUAL_MISFIT)
                and _missed(fit, anchors) <= _missed(best, anchors) + best.distance
            ):
                members.append(fit)

    return members


def _missed(fit: Alignment, anchors: Anchors) -> float:
    r"""By how much an alignment misses the anchor that it misses most, in input units."""
    if anchors is None:
        return 0.0

    return (anchors[0] @ fit.matrix.T + fit.offset - anchors[1]).norm(dim=1).max().item()


def _without(axis: Tensor, fit: Alignment) -> Alignment:
    r"""The alignment with no uncertainty about an axis that all turns about are as good."""
    m = len(fit.offset)
    keep = torch.eye(len(fit.covariance), dtype=torch.float64)
    keep[m:, m:] -= axis[:, None] * axis

    return replace(fit, covariance=keep @ fit.covariance @ keep)


def _coarse(a: Outline, b: Outline, matrix: Tensor, anchors: Anchors) -> Alignment:
    r"""A few steps of translation, from the middles of the bounding boxes or from the anchors."""
    if anchors is None:
        offset = middle_of(b.points) - middle_of(a.points @ matrix.T)
    else:
        offset = (anchors[1] - anchors[0] @ matrix.T).mean(dim=0)

    return fit_outlines(a, b, matrix, offset, anchors, steps=COARSE_STEPS, turning=False)


def _thinned(outlined: Outline) -> Outline:
    every = slice(None, None, max(1, len(outlined.points) // THINNED_POINTS))

    return Outline(
        outlined.points[every],
        outlined.normals[every],
        outlined.scale[every],
        outlined.vanishing[every],
        outlined.samples,
    )

r"""The refined map that comes nearest to an isometry, and how many come as near: the symmetries.

A continuum of isometries turns the eigenfunctions, :math:`\psi \mapsto e^{tX} \psi`, and moves the cloud of samples
along itself: :math:`X \psi(p)` is tangent to it everywhere. Starts drawn at random find few of its members, by luck, so
it is looked for by that, and believed where a map that was turned is refined to an isometry as good.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from equiv.unpaired.eigenfunctions import EigenSide
from equiv.unpaired.isometry_refinement import Refined, refine

__all__ = ["best_refinement"]

# Registrations that are refined, the best.
# [registrations; chosen: a trade of time, the symmetries of most spaces are fewer or a continuum]
REFINED_MATCHES = 4

# A refined map is as good as the best when it leaves at most so many times its strain.
# [dimensionless; chosen: a trade of symmetries that are missed against maps that are none]
EQUALLY_GOOD_STRAIN = 2.0

# A space that is turned freely is left as near to itself as this.
# [dimensionless; chosen: less than half the tolerance that lengths are held against by default]
FREE_STRAIN = 0.02

# A refined turn by one radian that has not gone back is at least so far from where it was not turned.
# [RMS sizes of the eigenfunctions; chosen: a third of a radian]
TURNED = 0.3

# Where the first refinements leave a larger RMS error, Gauss-Newton diverged, and there is no isometry near.
# [dimensionless; chosen: lengths wrong by three times]
DIVERGED_STRAIN = 2.0

# A turn may be free where it moves samples off the cloud by at most this share of what it moves them.
# [dimensionless; chosen: noise leaves 0.1 to 0.3 on circles and spheres of 300 to 500 samples, squares have 0.5]
OFF_THE_CLOUD = 0.35

# How far it is turned.
# [radians; chosen: no part of a whole turn, so that no finite group has it]
TURN = 1.0


def best_refinement(
    a: EigenSide, b: EigenSide, matrices: list[Tensor], count: float, ends: tuple[Tensor, Tensor] | None
) -> tuple[Refined, float]:
    r"""The refinement that comes nearest to an isometry, and how many come as near; anchors hold all of them."""
    tried: list[Refined] = []

    for matrix in matrices[: REFINED_MATCHES if math.isfinite(count) else 1]:
        tried.append(refine(a, b, matrix, ends))

        if not tried[-1].strain <= DIVERGED_STRAIN:
            break

    tried.sort(key=lambda each: each.strain)
    best = tried[0]
    turn = None

    if math.isfinite(count) and best.strain <= DIVERGED_STRAIN:
        turn = _free_turn(b, None if ends is None else ends[1])

    for each in () if turn is None else (turn, turn.T):
        other = refine(a, b, each @ best.matrix, ends)

        if (
            other.strain <= max(EQUALLY_GOOD_STRAIN * best.strain, FREE_STRAIN)
            and _apart(a, best, other) > TURNED
        ):
            return best, math.inf

    as_good = sum(each.strain <= EQUALLY_GOOD_STRAIN * best.strain for each in tried)

    return best, as_good if count <= REFINED_MATCHES else count


def _apart(a: EigenSide, one: Refined, other: Refined) -> float:
    r"""RMS distance of the images of A's samples over their RMS size."""
    image, moved = one(a.coordinates)[0], other(a.coordinates)[0]

    return ((moved - image).square().sum() / image.square().sum()).sqrt().item()


def _free_turn(side: EigenSide, fixed: Tensor | None) -> Tensor | None:
    r"""A turn of the eigenfunctions that leaves their cloud as nearly where it is as any, `(k, k)`; None without.

    .. math:: \min_X \frac{\sum_i |N_i X p_i|^2 / n + \sum_j |X q_j|^2 / c}{\sum_i |X p_i|^2 / n}

    over skew X, with :math:`N_i` the projection normal to the cloud.

    Arguments:
        side: With samples :math:`p_i`.
        fixed: Eigenfunctions at anchors :math:`q_j`, `(c, k)`, which have to stay; None for none.
    """
    points, (k, m) = side.coordinates, side.frames.shape[1:]

    # Where the cloud fills its space nothing is normal to it.
    if k == m:
        return None

    planes = list(itertools.combinations(range(k), 2))
    skews = torch.zeros(len(planes), k, k, dtype=torch.float64)

    for skew, (i, j) in zip(skews, planes, strict=True):
        skew[i, j], skew[j, i] = -1.0, 1.0

    moved = torch.einsum("gkl,nl->nkg", skews, points)
    tangents = torch.linalg.eigh(side.metric)[1][:, :, -m:]
    off = moved - tangents @ (tangents.mT @ moved)
    cost, size = ((each.mT @ each).mean(dim=0) for each in (off, moved))

    if fixed is not None:
        drawn = torch.einsum("gkl,nl->nkg", skews, fixed)
        cost = cost + (drawn.mT @ drawn).mean(dim=0)

    # The generalised problem in the basis where all turns move the samples alike.
    values, vectors = torch.linalg.eigh(size)
    root = vectors / values.clamp_min(1e-12 * values[-1]).sqrt()
    least, directions = torch.linalg.eigh(root.T @ cost @ root)

    if least[0] > OFF_THE_CLOUD**2:
        return None

    axis = torch.tensordot(root @ directions[:, 0], skews, 1)

    return torch.linalg.matrix_exp(TURN * axis / torch.linalg.matrix_norm(axis, 2))

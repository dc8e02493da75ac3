r"""Pairs of neighbours across jumps: displacements that piecewise linear networks do not spoil.

Where the derivatives of a network jump between two samples, at a place that is as likely here as there, the trapezoid
rule misses the difference of their values by

.. math:: y_j - y_i - \bar J (u_j - u_i) = (J_j - J_i)(u_j - u_i)\,(\theta - \tfrac12), \qquad \theta \in [0, 1]

whose standard deviation is :math:`|(J_j - J_i)(u_j - u_i)| / \sqrt{12}` however near the samples are, while smooth
networks leave a share of it that vanishes with their distance. The jump is known, and least squares generalised by
its covariance reads the displacement from what of the values does not jump.
"""

import math

import torch
from torch import Tensor

from equiv.flattening.curve_ends import along_both
from equiv.flattening.synchronization import Flattening
from equiv.metric.neighbors import NeighborGraph

__all__ = ["JUMPING_SHARE", "displacements_across_jumps", "unexplained_share"]


# Unexplained share of the change of frames between neighbours above which they jump.
# [dimensionless; derived: jumps leave one over the root of 12, 0.29, and smooth networks less the nearer samples are;
# this is about half way, and tests/test_kinks.py finds a network of tanh below a third of it]
JUMPING_SHARE = 0.16

# Pairs that the share is judged by.
# [pairs; chosen: a root mean square of so many is known to a few percent]
PAIRS_JUDGED = 3000

# Errors of displacements across no jump, for what bends there.
# [share of the length; chosen: of the order of what the trapezoid rule misses of smooth pieces between neighbours]
SMOOTH_ERROR = 0.03

# Added to the variances of displacements, so that pairs across no jump do not outweigh all others.
# [median variance; chosen: no pair then weighs more than some ten usual ones]
VARIANCE_FLOOR = 0.1

# Added to the diagonal where frames cancel and the displacement is open.
# [share of the trace; derived: some thousand times the rounding of float64]
CANCELLED = 1e-12

# What one corner leaves of what the trapezoid rule misses of a pair that it explains.
# [share of what the trapezoid rule misses; chosen: exact frames leave next to nothing, two corners most of it]
ONE_CORNER_LEAVES = 0.1


def unexplained_share(values: Tensor, frames: Tensor, graph: NeighborGraph) -> float:
    r"""RMS of what the trapezoid rule misses over RMS of what the change of the frames amounts to.

    Arguments:
        values: `(n, d)`.
        frames: `(n, d, m)`, each known up to a rotation.
        graph: Pairs of neighbours.

    Returns:
        :math:`1 / \sqrt{12}` where frames jump between neighbours, of the order of their distance where they do not.
    """
    every = slice(None, None, max(1, len(graph.i) // PAIRS_JUDGED))
    i, j = graph.i[every], graph.j[every]
    left, _, right = torch.linalg.svd(frames[i].mT @ frames[j])
    turned = frames[i] @ (left @ right)
    middle, difference = (turned + frames[j]) / 2, (values[j] - values[i])[:, :, None]
    step = torch.linalg.pinv(middle) @ difference
    missed = (difference - middle @ step).square().sum()
    changed = ((frames[j] - turned) @ step).square().sum()
    # Least squares takes up what is missed along the m directions of the frames.
    d, m = frames.shape[1:]

    return (missed / changed.clamp_min(1e-300) * d / max(d - m, 1)).sqrt().item()


def displacements_across_jumps(values: Tensor, found: Flattening) -> tuple[Tensor, Tensor]:
    r"""Displacements of pairs by generalised least squares, as a correction of those of the trapezoid rule.

    With K the jump of the frames, the covariance of what the trapezoid rule misses is taken to be

    .. math:: \Sigma = \operatorname{diag}(K u)^2 / 12 + |u|^2 K K^\top / 12 + \epsilon^2 |y_j - y_i|^2 / d

    the first for jumps of single neurons, the second for jumps that all neurons see.

    Arguments:
        values: `(n, d)`.
        found: Coordinates, whose displacements u of pairs the jumps are reckoned with.

    Returns:
        The vectors `(E, d)` to subtract from the differences of values, and the variances of the displacements,
        `(E,)`, in squared input units.
    """
    equations, rotations, steps = found.equations, found.solution.rotations, found.steps
    frames = equations.frames @ rotations
    i, j = equations.i, equations.j
    middle, jump = (frames[i] + frames[j]) / 2, frames[j] - frames[i]
    difference = values[j] - values[i]
    smooth = SMOOTH_ERROR**2 * difference.square().mean(dim=1, keepdim=True).clamp_min(1e-300)
    single = (jump @ steps[:, :, None])[:, :, 0].square() / 12 + smooth  # (E, d)
    common = jump * (steps.norm(dim=1) / math.sqrt(12))[:, None, None]  # (E, d, m)
    eye = torch.eye(equations.m, dtype=values.dtype)
    # The inverse of a diagonal matrix changed in few directions (Woodbury).
    scaled = common / single[:, :, None]
    whitened = middle / single[:, :, None]
    whitened = whitened - scaled @ torch.linalg.solve(eye + common.mT @ scaled, common.mT @ whitened)
    gram = middle.mT @ whitened
    # Frames that cancel say nothing of the displacement: its variance is beyond all others.
    ridge = (CANCELLED * gram.diagonal(dim1=1, dim2=2).sum(dim=1)).clamp_min(1e-30)
    gram = gram + ridge[:, None, None] * eye
    inverse = torch.linalg.inv(gram)
    generalised = inverse @ (whitened.mT @ difference[:, :, None])
    plain = equations.displacements(rotations)[0][:, :, None]

    if equations.m == 1:
        generalised = _around_corners(frames[i], frames[j], difference, middle @ plain, generalised)

    variance = inverse.diagonal(dim1=1, dim2=2).sum(dim=1)

    return (middle @ (plain - generalised))[:, :, 0], variance + VARIANCE_FLOOR * variance.median()


def _around_corners(
    tail: Tensor, head: Tensor, difference: Tensor, said: Tensor, otherwise: Tensor
) -> Tensor:
    r"""Displacements along a curve, exact where a pair has one corner in between: :math:`y_j - y_i = s\,t_i + r\,t_j`.

    Arguments:
        tail: Frames at i, `(E, d, 1)`.
        head: At j.
        difference: :math:`y_j - y_i`, `(E, d)`.
        said: What the trapezoid rule makes of it, `(E, d, 1)`.
        otherwise: Displacements where there is more than one, `(E, 1, 1)`.
    """
    a, b = tail[:, :, 0], head[:, :, 0]
    aa, bb, ab = ((p * q).sum(dim=1) for p, q in ((a, a), (b, b), (a, b)))
    first, second = (a * difference).sum(dim=1), (b * difference).sum(dim=1)
    s, r = along_both(aa, bb, ab, first, second)
    missed = (difference - s[:, None] * a - r[:, None] * b).norm(dim=1)
    single = (s >= 0) & (r >= 0) & (missed <= ONE_CORNER_LEAVES * (difference - said[:, :, 0]).norm(dim=1))

    return torch.where(single[:, None, None], (s + r)[:, None, None], otherwise)

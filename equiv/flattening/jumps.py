r"""Pairs of neighbours across jumps of derivatives: what shows them, and ways along curves around one corner.

Where the derivatives of a network jump between two samples, at a place that is as likely here as there, the trapezoid
rule misses the difference of their values by

.. math:: y_j - y_i - \bar J (u_j - u_i) = (J_j - J_i)(u_j - u_i)\,(\theta - \tfrac12), \qquad \theta \in [0, 1]

whose standard deviation is :math:`|(J_j - J_i)(u_j - u_i)| / \sqrt{12}` however near the samples are, while smooth
networks leave a share of it that vanishes with their distance.
"""

import torch
from torch import Tensor

from equiv.flattening.curve_ends import along_both
from equiv.metric.neighbors import NeighborGraph

__all__ = ["JUMPING_SHARE", "around_corners", "unexplained_share"]


# Unexplained share of the change of frames between neighbours above which they jump.
# [dimensionless; derived: jumps leave one over the root of 12, 0.29, and smooth networks less the nearer samples are;
# this is about half way, and tests/test_kinks.py finds a network of tanh below a third of it]
JUMPING_SHARE = 0.16

# Pairs that the share is judged by.
# [pairs; chosen: a root mean square of so many is known to a few percent]
PAIRS_JUDGED = 3000

# Squares of changes of frames, along pairs, below which they are rounding.
# [squared difference of values; derived: ten times the rounding of float32, squared]
ROUNDING = 1e-12

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

    return (
        (missed / changed.clamp_min(ROUNDING * difference.square().sum()) * d / max(d - m, 1)).sqrt().item()
    )


def around_corners(tail: Tensor, head: Tensor, difference: Tensor) -> tuple[Tensor, Tensor]:
    r"""Displacements along a curve, exact where a pair has one corner in between: :math:`y_j - y_i = s\,t_i + r\,t_j`.

    Arguments:
        tail: Frames at i, `(E, d)`.
        head: At j.
        difference: :math:`y_j - y_i`, `(E, d)`.

    Returns:
        :math:`s + r`, `(E,)`, and for which pairs one corner explains what the trapezoid rule misses, `(E,)`.
    """
    aa, bb, ab = ((p * q).sum(dim=1) for p, q in ((tail, tail), (head, head), (tail, head)))
    s, r = along_both(aa, bb, ab, (tail * difference).sum(dim=1), (head * difference).sum(dim=1))
    left = (difference - s[:, None] * tail - r[:, None] * head).norm(dim=1)
    middle = (tail + head) / 2
    said = (middle * difference).sum(dim=1) / middle.square().sum(dim=1).clamp_min(1e-300)
    missed = (difference - said[:, None] * middle).norm(dim=1)

    return s + r, (s >= 0) & (r >= 0) & (left <= ONE_CORNER_LEAVES * missed)

r"""Projections of one support onto another of fewer dimensions, by support functions and few anchors.

Where frames lose rank a network sees a projection of the input space only: :math:`v = Q u + t` with orthonormal rows
of Q. Sampling density is no evidence, so the support function of the projection has to be that of the target.
"""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from equiv.coordinates.motion import rotation_grid
from equiv.supports.outline_fit import Anchors
from equiv.supports.placed_projection import PlacedProjection
from equiv.supports.projection_fit import SupportFunctionFit

__all__ = ["find_projections"]


# Starts that are refined, the best of the grid.
# [projections; chosen: a trade of time against minima missed]
REFINED_PROJECTIONS = 16

# Two projections are the same when their matrices differ by less.
# [Frobenius norm of a matrix with orthonormal rows; chosen: a turn by some ten degrees, less than any symmetry's]
DISTINCT_PROJECTIONS = 0.2

# Edges are seen as well as the best when they are known up to this factor as well.
# [dimensionless; chosen: estimates from few samples scatter by as much]
EQUALLY_SEEN = 3.0

# More projections than this that fit equally well are a continuum.
# [projections; chosen: more than boxes of three different sides have]
PROJECTIONS_OF_A_CONTINUUM = 12

# All turns onto a line fit when the RMS of their misfits is below this.
# [distances from outermost samples to the edge; measured: 0.6 to 2.9 of discs and balls, over 3.2 of quadrilaterals]
ROUND_MISFIT = 3.0

# First turns of the simplex around a start of the grid.
# [radians; chosen: a fraction of the distance of starts]
FIRST_TURN = 0.1

# Likewise around a minimum, when it is looked at more closely.
# [radians; chosen: about one of the fine directions]
CLOSE_TURN = 0.02


def find_projections(
    a: Tensor, b: Tensor, anchors: Anchors = None, accuracy: float = 0.0
) -> tuple[list[PlacedProjection], float]:
    r"""The projections that carry the support of A to that of B equally well.

    With :math:`h(n) = \max_i n \cdot x_i` the support function of samples, they minimise over Q and t

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
    problem, plane = SupportFunctionFit(a, b, anchors, accuracy), b.shape[1] > 1
    tried = sorted(
        ((problem.cost(turn), turn) for turn in rotation_grid(a.shape[1])), key=lambda entry: entry[0]
    )

    if not plane and anchors is None and math.sqrt(sum(c**2 for c, _ in tried) / len(tried)) <= ROUND_MISFIT:
        return problem.centred([turn for _, turn in tried]), math.inf

    starts: list[Tensor] = []

    for _, turn in tried:
        # Each start a new one, so that as many minima are found as there are.
        if len(starts) < REFINED_PROJECTIONS and all(
            (turn - other)[: b.shape[1]].norm() > DISTINCT_PROJECTIONS for other in starts
        ):
            starts.append(turn)

    found = problem.fitting([problem.refined(turn, FIRST_TURN) for turn in starts])

    if plane:
        problem.look_closer([turn for _, turn in found])
        found = problem.fitting([problem.refined(turn, CLOSE_TURN) for _, turn in found])

    good: list[PlacedProjection] = []

    # Of those that fit, the ones that are fixed best come first: in the plane the ones whose edges are seen best.
    for projection in sorted(
        (problem.placed(*entry) for entry in found),
        key=lambda placed: placed.edge if plane else placed.slack,
    ):
        if all(
            (projection.motion.matrix - other.motion.matrix).norm() > DISTINCT_PROJECTIONS for other in good
        ):
            good.append(projection)

    if plane:
        # The least of several estimates is one by luck: those of edges seen as well are pooled.
        alike = [each.slack for each in good if each.edge <= EQUALLY_SEEN * good[0].edge]
        pooled = math.sqrt(sum(slack**2 for slack in alike) / len(alike))
        good[0] = replace(good[0], slack=max(pooled, good[0].slack))

    free = any(each.free is not None for each in good)

    return good, math.inf if free or len(good) > PROJECTIONS_OF_A_CONTINUUM else len(good)

r"""How far apart maps are that fit equally well, in activations.

Where a space has symmetries and no anchors tell them apart, the returned map is one of several. Their errors are small
up to these symmetries alone: another member sends the same activations elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor

from equiv.charts.side import ChartedSide
from equiv.coordinates.lattice import minimum_image
from equiv.coordinates.motion import Motion
from equiv.registration.result import Registration, Relation

__all__ = ["LARGEST_AMBIGUITY", "charted_ambiguity"]

# Samples whose images are compared.
# [samples; chosen: their RMS distance is then known to a few per cent]
COMPARED_SAMPLES = 500

# No two maps that carry one distribution to another are farther apart, since each is off the mean by the spread. It
# stands where several maps are known to fit, but not which is the farthest.
# [share of the target's spread; derived: root mean square of |x - y| is at most that of |x| plus that of |y|]
LARGEST_AMBIGUITY = 2.0


def charted_ambiguity(a: ChartedSide, b: ChartedSide, found: Registration) -> tuple[float, float]:
    r"""RMS distance from the returned map to the farthest equally good one, over the target's spread.

    .. math:: \max_{g'} \sqrt{\operatorname{mean}_i |\ell(g(u_i)) - \ell(g'(u_i))|^2} \,/\, \text{spread}

    with g the motion that the map takes, g' the other motions that fit as well, and :math:`\ell` the lift of the
    target's chart.

    Arguments:
        a: Side A.
        b: Side B.
        found: Their registration.

    Returns:
        That from A to B and that from B to A; 0 where there is no map, or no other.
    """
    if found.motion is None or not found.alternatives:
        return 0.0, 0.0

    source, target = (b, a) if found.relation is Relation.B_ONTO_A else (a, b)
    there = _farthest(source, target, found.motion, found.alternatives)

    if found.relation is not Relation.ISOMETRIC:
        return (0.0, there) if found.relation is Relation.B_ONTO_A else (there, 0.0)

    back = _farthest(target, source, found.motion.inverse, (other.inverse for other in found.alternatives))

    return there, back


def _farthest(source: ChartedSide, target: ChartedSide, motion: Motion, others: Iterable[Motion]) -> float:
    assert source.domain is not None and target.domain is not None and target.chart is not None
    chart, periods, device = target.chart, target.domain.periods, target.observations.device
    coordinates = source.domain.coordinates
    some = coordinates[:: math.ceil(len(coordinates) / COMPARED_SAMPLES)]

    def image(taken: Motion) -> Tensor:
        return chart.lift(minimum_image(taken(some), periods).to(device))

    own = image(motion)
    square = max((image(other) - own).square().sum(dim=1).mean().item() for other in others)

    return math.sqrt(square) / target.spread

r"""Closed spaces without anchors: any shift along the periods fits, and an open direction is fixed by its ends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.result import OVERLAP_MARGIN, Registration, Relation, registration_by
from equiv.supports.support import outline

__all__ = ["register_closed", "shifted"]


# Lengths differ when they do by this many standard errors more than the tolerance.
# [standard errors; chosen: distances at an end are exponentially distributed, with long tails]
DIFFERING_ERRORS = 6.0

# Members of a continuum of motions that stand for all of it.
# [motions; chosen: of turns of a circle the farthest is then off by less than a thousandth]
MEMBERS = 64

# Steps along each period, at the fewest.
# [steps; chosen: an even number has half a period among them, the farthest of most shifts]
LEAST_STEPS = 4


class _Ends(NamedTuple):
    r"""What the ends of an open direction say.

    Attributes:
        offset: The shift across the periods that brings middle to middle, `(m,)`.
        error: Its standard error, in input units.
        lengths: Of source and target along the open direction; of none where all directions are periodic.
    """

    offset: Tensor
    error: float
    lengths: tuple[float, float] | None


def register_closed(source: Domain, target: Domain, matrices: list[Tensor], tolerance: float) -> Registration:
    r"""The best shift for each of the linear parts that the periods leave, and the best of these.

    Arguments:
        source: With periods.
        target: With as many, and at most one open direction.
        matrices: Orthogonal, `(m, m)` each, at least one.
        tolerance: Largest relative difference of lengths between isometric domains.
    """
    fits: list[Registration] = []

    for matrix in matrices:
        ends = _between_ends(source.coordinates @ matrix.T, target)

        if ends.lengths is not None:
            one, other = ends.lengths

            if abs(one - other) > tolerance * max(one, other) + DIFFERING_ERRORS * 2 * ends.error:
                reason = (
                    f"across the periods one space is {max(one, other) / min(one, other):.3g} times as long"
                )

                return Registration(Relation.NONE, reason)

        motion = Motion(matrix, ends.offset)
        fits.append(registration_by(motion, source, target, symmetries=math.inf, slack=ends.error))

    best = fits[0]

    for found in fits[1:]:
        if found.overlap > best.overlap + OVERLAP_MARGIN:
            best = found

    as_good = [
        found.motion
        for found in fits
        if found.motion is not None and found.overlap >= best.overlap - OVERLAP_MARGIN
    ]

    return replace(best, alternatives=shifted(as_good, target.periods))


def shifted(motions: Sequence[Motion], periods: Tensor | None) -> tuple[Motion, ...]:
    r"""Motions that fit as well whatever the shift along the periods, at shifts spread evenly over these.

    Arguments:
        motions: As many as there are linear parts.
        periods: The target's, shape `(p, m)`, p > 0, in input units.
    """
    assert periods is not None
    steps = max(LEAST_STEPS, 2 * math.ceil((MEMBERS / len(motions)) ** (1 / len(periods)) / 2))
    shares = torch.tensor(list(itertools.product(range(steps), repeat=len(periods))), dtype=torch.float64)

    return tuple(
        Motion(motion.matrix, motion.offset + shift)
        for motion in motions
        for shift in shares / steps @ periods.double()
    )


def _between_ends(moved: Tensor, target: Domain) -> _Ends:
    r"""The least and the largest of many samples are each off the end by about as much as the outline says."""
    assert target.periods is not None
    m = target.dimension
    offset = torch.zeros(m, dtype=torch.float64)

    if m == target.n_periods:
        return _Ends(offset, 0.0, None)

    axis = target.open_axes[0]
    edges = [outline((coordinates @ axis)[:, None]) for coordinates in (moved, target.coordinates)]
    middles = [edge.points.mean() for edge in edges]
    lengths = tuple(edge.points.diff(dim=0).item() for edge in edges)
    error = torch.cat([edge.scale for edge in edges]).norm().item() / 2

    return _Ends((middles[1] - middles[0]) * axis, error, (lengths[0], lengths[1]))

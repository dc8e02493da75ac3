r"""Strains that anchors leave open: fitted from the outlines beside the motion, and what they say of it.

Anchors replace outlines for the motions and strains that they overdetermine. One anchor on an interval, three in line
in a square, one circle of them on a cylinder leave lengths across open, and no anchors leave all of them: what the
outlines, or ends, say of these excludes an isometry or stays in the bound of the error. Where an open space is wound
round a closed one its ends say nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.contradictions import agree_on_strain
from equiv.registration.result import Registration, Relation, joint_accuracy
from equiv.supports.limits import MAX_DIMENSION
from equiv.supports.outline_fit import Anchors
from equiv.supports.projected_strains import fit_projected_strains
from equiv.supports.strains import AffineFreedom, extrapolation, fit_strains
from equiv.verdict import percent

__all__ = ["with_freedom", "with_projected_freedom"]


# Anchors fix the strains when an affine map fitted to them is nowhere further off than so many times their errors.
# [dimensionless; chosen: bounds from anchors left out reckon with a factor of about 3]
FIXING_EXTRAPOLATION = 4.0

# Standard deviation of anchors in charts that are more accurate than that.
# [share of the spread; chosen: far below what outlines show and tolerances admit, far above rounding]
SMALLEST_ANCHOR_ERROR = 1e-5

# A strain is excluded when it displaces by more than so many times what lengths may differ by.
# [dimensionless; derived: `compare_by_charts` admits half of the tolerance of errors to lengths]
TOLERANCE_OF_STRAINS = 2.0

# A strain excludes an isometry when it is above what is allowed by so many standard deviations.
# [standard deviations; derived: one side of a Gaussian at 0.01]
EXCLUDING_DEVIATIONS = 2.326

# Turns that leave a support as it is have no uncertainty, but for rounding.
# [share of that of the translations, per square of the spread; chosen: above rounding, below what outlines show]
FREE_TURN = 1e-9


def with_freedom(
    found: Registration, source: Domain, target: Domain, anchors: Tensor | None, tolerance: float
) -> Registration:
    r"""The registration with what outlines leave open of the map, or why it is none.

    Arguments:
        found: By a motion from source to target, of as many dimensions.
        source: Domain mapped from.
        target: Domain mapped to.
        anchors: Pairs of sample indices (source, target), shape `(k, 2)`, or None.
        tolerance: Largest relative difference of lengths between isometric domains.
    """
    motion = found.motion

    if motion is None:
        return found

    ends = _kept(found, source, target, anchors)

    if source.n_periods < target.n_periods and ends is not None:
        axes = source.open_axes.T
        reach = extrapolation(ends[0] @ axes, source.coordinates @ axes)
        reason = (
            "the anchors leave strains of the open space open, which is wound round the closed one whatever "
            "its length"
        )

        return found if reach <= FIXING_EXTRAPOLATION else Registration(Relation.UNDECIDED, reason)

    if source.n_periods != target.n_periods or target.n_periods == target.dimension:
        return found

    freedom = _freedom(found, motion, source, target, ends, tolerance)

    if freedom is None:
        return found

    if not freedom.fixed:
        reason = (
            "the anchors leave strains of the one space against the other open, which nothing else decides"
        )

        return Registration(Relation.UNDECIDED, reason)

    spread = target.coordinates.T.cov(correction=0).reshape(target.dimension, -1)
    size, error = freedom.strain(motion, spread)

    if size - EXCLUDING_DEVIATIONS * error > TOLERANCE_OF_STRAINS * tolerance * target.spread:
        share, uncertain = size / target.spread, error / target.spread
        reason = (
            f"the spaces agree best when the one is strained by {percent(share)} % of its spread "
            f"(standard error {percent(uncertain)} %)"
        )

        return Registration(Relation.NONE, reason)

    return replace(found, freedom=freedom)


def _kept(found: Registration, source: Domain, target: Domain, anchors: Tensor | None) -> Anchors:
    r"""The coordinates of the anchors that were not rejected."""
    if anchors is None:
        return None

    kept = torch.ones(len(anchors), dtype=torch.bool)
    kept[list(found.rejected)] = False

    return source.coordinates[anchors[kept, 0]], target.coordinates[anchors[kept, 1]]


def _freedom(
    found: Registration,
    motion: Motion,
    source: Domain,
    target: Domain,
    anchors: Anchors,
    tolerance: float,
) -> AffineFreedom | None:
    r"""What outlines and anchors leave open; None where anchors overdetermine it and show none."""
    a, b, axes, across = source.coordinates, target.coordinates, None, None
    strained = anchors is not None and agree_on_strain(source, target, anchors, motion, tolerance)

    if target.periods is not None:
        # Periods fix all lengths but those across them.
        axes = target.open_axes  # (q, m)
        across = axes @ motion.matrix
        a, b = a @ across.T, b @ axes.T
        anchors = None if anchors is None else (anchors[0] @ across.T, anchors[1] @ axes.T)
        motion = Motion(torch.eye(len(axes), dtype=torch.float64), axes @ motion.offset)

    determined = anchors is not None and extrapolation(anchors[1], b) <= FIXING_EXTRAPOLATION

    if determined and not strained:
        return None

    freedom = fit_strains(
        a,
        b,
        motion,
        anchors,
        _error_of_anchors(source, target),
        outlined=not determined and b.shape[1] <= MAX_DIMENSION,
        turns=_fixed_turns(found, target),
    )

    return freedom if axes is None or across is None else freedom.along(across, axes)


def with_projected_freedom(
    found: Registration,
    source: Domain,
    target: Domain,
    anchors: Anchors,
    free: Tensor | None = None,
) -> Registration:
    r"""The registration with what support functions and anchors leave open of a projection, or that nothing fixes it.

    A strain that they show excludes nothing: another projection may fit without.

    Arguments:
        found: By a projection from source to target, neither with periods.
        source: Domain mapped from.
        target: Domain mapped to, of fewer dimensions.
        anchors: Points of both that correspond, `(k, m)` and `(k, p)`, or None.
        free: Changes of the linear part that are known to fit as well, shape `(f, p, m)`; None for none.
    """
    assert found.motion is not None
    a, b = source.coordinates, target.coordinates

    if anchors is not None and extrapolation(anchors[0], a) <= FIXING_EXTRAPOLATION:
        return found

    freedom = fit_projected_strains(
        a,
        b,
        found.motion,
        anchors,
        _error_of_anchors(source, target),
        free,
        outlined=a.shape[1] <= MAX_DIMENSION,
    )

    if not freedom.fixed:
        known = "extents" if anchors is None else "extents and the anchors"
        reason = f"the {known} leave open how far a projection is turned and strained"

        return Registration(Relation.UNDECIDED, reason)

    return replace(found, freedom=freedom)


def _error_of_anchors(source: Domain, target: Domain) -> float:
    r"""Standard deviation of the anchors' distances that strains are fitted with, per coordinate, in input units."""
    return max(joint_accuracy(source, target), SMALLEST_ANCHOR_ERROR * target.spread)


def _fixed_turns(found: Registration, target: Domain) -> Tensor | None:
    r"""The turns about which the support is no continuum of symmetries, `(s, t)`; None for all."""
    if found.alignment is None or not math.isinf(found.symmetries):
        return None

    m = target.dimension
    covariance = found.alignment.covariance
    variance, turns = torch.linalg.eigh(covariance[m:, m:])

    return turns[:, variance > FREE_TURN * covariance[:m, :m].trace() / target.spread**2]

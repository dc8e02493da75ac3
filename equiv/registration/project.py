r"""Registration of a domain with one of fewer dimensions: the projection that frames of lower rank leave.

A projection is :math:`g(u) = Q u + t` with orthonormal rows of Q. Periods leave finitely many Q, anchors fix the
rest, and what they leave open the support functions decide.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.anchors import (
    OUTLIER_SHARE,
    AnchorFit,
    anchor_rank,
    as_good,
    explained_misfit,
    fit_projection,
    fit_shift,
)
from equiv.registration.closed_spaces import shifted
from equiv.registration.contradictions import contradicted
from equiv.registration.open_strains import with_projected_freedom
from equiv.registration.result import Registration, Relation, joint_accuracy, registration_by
from equiv.supports.limits import MAX_DIMENSION
from equiv.supports.projections import find_projections
from equiv.verdict import percent

__all__ = ["register_projection"]

REASON = "the frames of the one lose rank, and the other's space projects onto its"


def register_projection(
    source: Domain, target: Domain, anchors: Tensor | None, tolerance: float
) -> Registration:
    r"""Finds the projection of a domain onto one of fewer dimensions.

    Arguments:
        source: Domain of A.
        target: Domain of B, of fewer dimensions.
        anchors: Pairs of sample indices, shape `(k, 2)`, int64; None for none.
        tolerance: Largest misfit, a share of the target's spread, that does not exclude a projection.

    Returns:
        A registration from `source` to `target`, with relation A_ONTO_B for A the source; NONE where no
        projection fits, UNDECIDED where it could not be told.
    """
    ends = None if anchors is None else (source.coordinates[anchors[:, 0]], target.coordinates[anchors[:, 1]])

    if source.periods is not None or target.periods is not None:
        return _round_periods(source, target, ends, tolerance)

    if ends is not None and anchor_rank(ends[0]) == source.dimension:
        fit = fit_projection(*ends, OUTLIER_SHARE * target.spread)

        return _by_anchors(source, target, ends, [fit], tolerance)

    return _by_support_functions(source, target, ends, tolerance)


def _by_anchors(
    source: Domain, target: Domain, ends: tuple[Tensor, Tensor], fits: list[AnchorFit], tolerance: float
) -> Registration:
    r"""The best of the projections that anchors fix."""
    good = as_good(fits, joint_accuracy(source, target))

    if good[0].cost > explained_misfit(source, target, tolerance):
        alone = register_projection(source, target, None, tolerance)

        return contradicted(source, target, ends, good[0].motion, alone, tolerance)

    others = [fit.motion for fit in good[1:]]
    found = _found(
        source, target, good[0].motion, len(good), good[0].residuals, good[0].rejected, alternatives=others
    )

    if source.periods is not None:
        return found

    kept = ends[0][~good[0].wrong], ends[1][~good[0].wrong]

    return with_projected_freedom(found, source, target, kept)


def _by_support_functions(
    source: Domain, target: Domain, ends: tuple[Tensor, Tensor] | None, tolerance: float
) -> Registration:
    r"""The projection under which the support functions are the same, beside anchors too few to fix it."""
    if source.dimension > MAX_DIMENSION:
        needed = source.dimension + 1

        return Registration(
            Relation.UNDECIDED, f"a projection of {source.dimension} dimensions takes {needed} anchors"
        )

    good, count = find_projections(
        source.coordinates, target.coordinates, ends, joint_accuracy(source, target)
    )
    best = good[0]

    if not best.agrees:
        share = best.distance / target.spread
        reason = (
            f"the extents of every projection of the one space differ from the other's by {percent(share)} %"
        )

        return Registration(Relation.NONE if share > tolerance else Relation.UNDECIDED, reason)

    residuals = None

    if ends is not None:
        residuals = (best.motion(ends[0]) - ends[1]).norm(dim=1)

        if residuals.max() > explained_misfit(source, target, tolerance):
            alone = register_projection(source, target, None, tolerance)

            return contradicted(source, target, ends, best.motion, alone, tolerance)

    others = [projection.motion for projection in good[1:]]
    found = _found(source, target, best.motion, count, residuals, (), best.slack, others)

    return with_projected_freedom(found, source, target, ends, best.free)


def _round_periods(
    source: Domain, target: Domain, ends: tuple[Tensor, Tensor] | None, tolerance: float
) -> Registration:
    r"""Projections onto a line or a circle that carry periods into periods."""
    matrices = _lattice_projections(source, target, tolerance)

    if matrices is None:
        return Registration(
            Relation.UNDECIDED, "projections between spaces with such periods are not registered"
        )

    if not matrices:
        return Registration(
            Relation.NONE, "no projection carries the periods of the one space into the other's"
        )

    if ends is not None:
        floor = OUTLIER_SHARE * target.spread
        fits = [fit_shift(*ends, matrix, target.periods, floor) for matrix in matrices]

        return _by_anchors(source, target, ends, fits, tolerance)

    middle = (target.coordinates.amin(dim=0) + target.coordinates.amax(dim=0)) / 2
    motions = []

    for matrix in matrices:
        turned = source.coordinates @ matrix.T
        motions.append(Motion(matrix, middle - (turned.amin(dim=0) + turned.amax(dim=0)) / 2))

    if target.periods is not None:
        return _found(source, target, motions[0], math.inf, alternatives=shifted(motions, target.periods))

    lengths = [
        cloud.amax(dim=0) - cloud.amin(dim=0)
        for cloud in (source.coordinates @ matrices[0].T, target.coordinates)
    ]
    share = (lengths[0] - lengths[1]).abs().max().item() / target.spread

    if share > tolerance:
        return Registration(Relation.NONE, f"the extents of the spaces differ by {percent(share)} %")

    return _found(
        source,
        target,
        motions[0],
        len(motions),
        slack=share * target.spread,
        alternatives=motions[1:],
    )


def _lattice_projections(source: Domain, target: Domain, tolerance: float) -> list[Tensor] | None:
    r"""All unit rows q with :math:`q \cdot \lambda` in the target's lattice for every period of the source; None
    where they are no finite number."""
    if target.dimension > 1 or source.periods is None or source.dimension - source.n_periods > 1:
        return None

    periods = source.periods
    length = 0.0 if target.periods is None else target.periods.abs().max().item()
    reach = 0 if length == 0 else math.ceil(periods.norm(dim=1).max().item() / length)
    inverse = torch.linalg.pinv(periods)
    found = []

    for winding in itertools.product(range(-reach, reach + 1), repeat=len(periods)):
        row = inverse @ torch.tensor(winding, dtype=torch.float64) * length
        rest = 1 - row.square().sum().item()

        if abs(rest) <= 2 * tolerance:
            found.append(row / row.norm())
        elif rest > 0 and source.n_periods < source.dimension:
            normal = torch.linalg.svd(periods)[2][-1]
            found += [row + sign * math.sqrt(rest) * normal for sign in (1.0, -1.0)]

    return [row[None] for row in found]


def _found(
    source: Domain,
    target: Domain,
    motion: Motion,
    count: float,
    residuals: Tensor | None = None,
    rejected: tuple[int, ...] = (),
    slack: float = 0.0,
    alternatives: Iterable[Motion] = (),
) -> Registration:
    return registration_by(
        motion,
        source,
        target,
        Relation.A_ONTO_B,
        REASON,
        residuals=residuals,
        rejected=rejected,
        symmetries=count,
        slack=slack,
        alternatives=alternatives,
    )

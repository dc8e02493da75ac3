r"""Registration: the local isometry between two coordinate domains.

A local isometry of flat spaces is :math:`g(u) = Q u + t` with Q orthogonal, or with orthonormal rows where
the target has fewer dimensions. Periods leave finitely many Q, anchors fix the rest, and what they leave open
the outlines of the supports decide.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.lattice import lattice_embeddings
from equiv.coordinates.motion import Motion
from equiv.registration.anchors import (
    OUTLIER_SHARE,
    AnchorFit,
    anchor_rank,
    as_good,
    exchanged,
    explained_misfit,
    fit_rigid,
    fit_shift,
)
from equiv.registration.closed_spaces import register_closed
from equiv.registration.contradictions import agree_on_strain, contradicted
from equiv.registration.contrast import tell_apart
from equiv.registration.open_strains import with_freedom
from equiv.registration.result import (
    OVERLAP_MARGIN,
    Registration,
    Relation,
    joint_accuracy,
    overlaps,
    registration_by,
)
from equiv.registration.winding import wind
from equiv.supports.alignments import align, equally_good
from equiv.supports.limits import MAX_DIMENSION
from equiv.verdict import NAME_A, NAME_B

__all__ = ["register"]


def register(a: Domain, b: Domain, anchors: Tensor | None, tolerance: float) -> Registration:
    r"""Finds how two coordinate domains of equal dimension correspond.

    Arguments:
        a: Domain of A.
        b: Domain of B.
        anchors: Pairs of sample indices, shape `(k, 2)`, int64; None for none.
        tolerance: Largest relative difference of lengths between isometric domains.

    Returns:
        The best registration. A failed one has relation NONE (excluded) or UNDECIDED, never the identity.
    """
    relation, matrices, reason = _linear_parts(a, b, tolerance)

    if relation in (Relation.NONE, Relation.UNDECIDED):
        return Registration(relation, reason)

    if relation is Relation.B_ONTO_A:
        found = _register(b, a, exchanged(anchors), matrices, tolerance, Relation.A_ONTO_B, reason)

        return found.mirrored

    return _register(a, b, anchors, matrices, tolerance, relation, reason)


def _linear_parts(a: Domain, b: Domain, tolerance: float) -> tuple[Relation, list[Tensor] | None, str]:
    r"""The relation that the periods leave possible and the linear parts; None for all of O(m)."""
    m, identity = a.dimension, torch.eye(a.dimension, dtype=torch.float64)

    if a.periods is None and b.periods is None:
        return Relation.ISOMETRIC, ([identity, -identity] if m == 1 else None), "neither space is periodic"

    closed = [d.periods for d in (a, b) if d.periods is not None]

    if len(closed) == 1:
        relation = Relation.A_ONTO_B if a.periods is None else Relation.B_ONTO_A
        names = (NAME_A, NAME_B) if a.periods is None else (NAME_B, NAME_A)

        if m == 2 and closed[0].shape[0] == 1:
            return relation, None, f"{names[0]} is open and {names[1]} is closed"

        if m > 1:
            return Relation.UNDECIDED, None, f"{names[1]} is periodic and {names[0]} is not"

        return (
            relation,
            [identity, -identity],
            f"{names[0]} is an open interval, wound round the closed {names[1]}",
        )

    if m - min(a.n_periods, b.n_periods) > 1:
        return Relation.UNDECIDED, None, "spaces with a period and several open directions are not registered"

    directions = [
        (Relation.A_ONTO_B, a, b, NAME_A, NAME_B),
        (Relation.B_ONTO_A, b, a, NAME_B, NAME_A),
    ]

    for relation, source, target, first, second in directions:
        if source.periods is None or target.periods is None or source.n_periods > target.n_periods:
            continue

        found = lattice_embeddings(source.periods, target.periods, tolerance)

        if found:
            found.sort(key=lambda entry: entry.strain)
            sheets = min(entry.sheets for entry in found)
            matrices = [entry.matrix for entry in found if entry.sheets == sheets]

            if sheets == 1 and a.n_periods == b.n_periods:
                return Relation.ISOMETRIC, matrices, "the periods agree"

            return relation, matrices, f"{first} covers {second}, as the periods show"

    return (
        Relation.NONE,
        None,
        f"no isometry carries the periods of {NAME_A} into those of {NAME_B} or the reverse",
    )


def _register(
    source: Domain,
    target: Domain,
    anchors: Tensor | None,
    matrices: list[Tensor] | None,
    tolerance: float,
    relation: Relation,
    reason: str,
) -> Registration:
    r"""The registration from source to target, under the names A and B, where the periods leave their relation."""
    if source.dimension == 2 and (source.n_periods, target.n_periods) == (0, 1):
        if anchors is not None:
            return Registration(Relation.UNDECIDED, f"{reason}, where anchors are not made use of")

        return wind(source, target, tolerance)

    if anchors is None:
        found = _alone(source, target, matrices, tolerance)
    else:
        found = _by_anchors(source, target, anchors, matrices, tolerance)
        found = with_freedom(found, source, target, anchors, tolerance)

    return found if found.motion is None else replace(found, relation=relation, reason=reason)


def _alone(source: Domain, target: Domain, matrices: list[Tensor] | None, tolerance: float) -> Registration:
    r"""The registration by what the spaces are, without anchors."""
    if source.periods is None and target.periods is None:
        found = _by_outlines(source, target, None, tolerance)
    else:
        found = register_closed(source, target, matrices or [], tolerance)

    return with_freedom(found, source, target, None, tolerance)


def _by_anchors(
    source: Domain, target: Domain, anchors: Tensor, matrices: list[Tensor] | None, tolerance: float
) -> Registration:
    r"""The motion that most anchors agree on, with the supports where they leave several."""
    ends = source.coordinates[anchors[:, 0]], target.coordinates[anchors[:, 1]]

    if matrices is None:
        if anchor_rank(ends[0]) < source.dimension - 1:
            return _by_outlines(source, target, ends, tolerance)

        def fitted(least: float) -> list[AnchorFit]:
            return [fit_rigid(*ends, handedness, least) for handedness in (1, -1)]
    else:

        def fitted(least: float) -> list[AnchorFit]:
            return [fit_shift(*ends, matrix, target.periods, least) for matrix in matrices]

    # Accurate charts tell the fits apart; where the anchors leave several, the supports decide.
    accuracy = joint_accuracy(source, target)
    fits = as_good(fitted(OUTLIER_SHARE * target.spread), accuracy)
    unfitted = fits[0].cost > explained_misfit(source, target, tolerance)

    if unfitted or fits[0].rejected:
        whole = as_good(fitted(math.inf), accuracy)

        if agree_on_strain(source, target, ends, whole[0].motion, tolerance):
            # None of them is wrong: how far the spaces are strained says `with_freedom`.
            fits = whole
        elif unfitted:
            alone = _alone(source, target, matrices, tolerance)

            return contradicted(source, target, ends, fits[0].motion, alone, tolerance)

    fits = _supported(source, target, fits)

    return registration_by(
        fits[0].motion,
        source,
        target,
        residuals=fits[0].residuals,
        rejected=fits[0].rejected,
        symmetries=len(fits),
        alternatives=[fit.motion for fit in fits[1:]],
    )


def _supported(source: Domain, target: Domain, fits: list[AnchorFit]) -> list[AnchorFit]:
    r"""The fits, best first, under which the supports agree as well as under any."""
    if len(fits) == 1:
        return fits

    if source.periods is None and target.periods is None and source.dimension <= MAX_DIMENSION:
        order = equally_good(source.coordinates, target.coordinates, [fit.motion for fit in fits])
    else:
        shares = [min(overlaps(source, target, fit.motion)) for fit in fits]
        order = [index for index, share in enumerate(shares) if share >= max(shares) - OVERLAP_MARGIN]

    return sorted((fits[index] for index in order), key=lambda fit: fit.cost)


def _by_outlines(
    source: Domain, target: Domain, anchors: tuple[Tensor, Tensor] | None, tolerance: float
) -> Registration:
    r"""Flat domains laid over each other by their outlines, and by anchors too few for the whole motion."""
    if source.dimension > MAX_DIMENSION:
        reason = f"in {source.dimension} dimensions {source.dimension} generic anchors are needed"

        return Registration(Relation.UNDECIDED, reason)

    good, count = align(source.coordinates, target.coordinates, anchors)
    best = good[0]
    motion = Motion(best.matrix, best.offset)

    if anchors is None:
        difference = tell_apart(source, target, best, tolerance)

        if difference is not None:
            return difference

    residuals = None if anchors is None else (motion(anchors[0]) - anchors[1]).norm(dim=1)

    return registration_by(
        motion,
        source,
        target,
        residuals=residuals,
        symmetries=count,
        alignment=best,
        alternatives=[Motion(other.matrix, other.offset) for other in good[1:]],
    )

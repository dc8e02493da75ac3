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
from equiv.registration.anchors import AnchorFit, anchor_rank, fit_rigid, fit_shift
from equiv.registration.closed_spaces import register_closed
from equiv.registration.result import Registration, Relation, overlaps
from equiv.registration.winding import wind
from equiv.supports.alignments import align, equally_good
from equiv.supports.occupancy import Voids
from equiv.supports.outline_fit import Alignment
from equiv.verdict import NAME_A, NAME_B

__all__ = ["CONTRADICTION", "OUTLIER_SHARE", "register"]


# Share of samples of the same support that lie in voids of the other's, in up to two dimensions and in three, and how
# many beside it; so many times as many are no chance.
STRANDED, STRANDED_SOLID, FEW = 0.004, 0.01, 2.0
CERTAIN = 3.0

# Largest void that chance makes, in the plane, and what it may be larger by for each sample; holes grow with these.
VOID, VOID_EACH = 30.0, 0.05

# No anchor that is off by less than this share of the spread is called wrong.
OUTLIER_SHARE = 0.01

# Anchors contradict an isometry when they are off by this many times what the charts' errors explain.
CONTRADICTION = 6.0


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

    if a.dimension == 2 and (a.n_periods, b.n_periods) in ((0, 1), (1, 0)):
        if anchors is not None:
            return Registration(Relation.UNDECIDED, f"{reason}, where anchors are not made use of")

        found = wind(*((a, b) if relation is Relation.A_ONTO_B else (b, a)), tolerance)

        if found.motion is None or relation is Relation.A_ONTO_B:
            return found

        return replace(found, relation=relation, overlap_a=found.overlap_b, overlap_b=found.overlap_a)

    if relation is Relation.B_ONTO_A:
        exchanged = None if anchors is None else anchors.flip(1)
        found = _register(b, a, exchanged, matrices, tolerance)
        found = replace(found, overlap_a=found.overlap_b, overlap_b=found.overlap_a)
    else:
        found = _register(a, b, anchors, matrices, tolerance)

    if found.motion is None:
        return found

    return replace(found, relation=relation, reason=reason)


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
    source: Domain, target: Domain, anchors: Tensor | None, matrices: list[Tensor] | None, tolerance: float
) -> Registration:
    r"""The registration from source to target, under the names A and B."""
    open_ended = source.periods is None and target.periods is None

    if anchors is None:
        if open_ended:
            return _by_outlines(source, target, None, tolerance)

        return register_closed(source, target, matrices or [], tolerance)

    ends = source.coordinates[anchors[:, 0]], target.coordinates[anchors[:, 1]]
    floor = OUTLIER_SHARE * target.spread

    if matrices is None:
        if anchor_rank(ends[0]) < source.dimension - 1:
            return _by_outlines(source, target, ends, tolerance)

        fits = [fit_rigid(*ends, handedness, floor) for handedness in (1, -1)]
    else:
        fits = [fit_shift(*ends, matrix, target.periods, floor) for matrix in matrices]

    explained = max(CONTRADICTION * math.hypot(source.accuracy, target.accuracy), tolerance * target.spread)
    best = min(fit.cost for fit in fits)

    if best > explained:
        return _contradicted(source, target, len(ends[0]), open_ended, tolerance)

    # Accurate charts tell the fits apart; where the anchors leave several, the supports decide.
    slack = max(3 * best, 3 * math.hypot(source.accuracy, target.accuracy))
    fits = [fit for fit in fits if fit.cost <= slack]
    fits, count = _supported(source, target, fits, open_ended)

    return _found(source, target, fits[0], count)


def _contradicted(source: Domain, target: Domain, k: int, open_ended: bool, tolerance: float) -> Registration:
    r"""No isometry fits the anchors: either there is none, or too many anchors are wrong."""
    if k > source.dimension + 1:
        return Registration(Relation.NONE, f"no isometry of the spaces fits most of the {k} anchors")

    alike = not open_ended or _by_outlines(source, target, None, tolerance).motion is not None

    if alike:
        reason = f"the {k} anchors contradict each other, too few to tell which are wrong"

        return Registration(Relation.UNDECIDED, reason)

    return Registration(Relation.NONE, "neither the anchors nor the outlines of the spaces fit an isometry")


def _supported(
    source: Domain, target: Domain, fits: list[AnchorFit], open_ended: bool
) -> tuple[list[AnchorFit], int]:
    r"""The fits under which the supports agree best, and how many they are."""
    if len(fits) == 1:
        return fits, 1

    if open_ended and source.dimension <= 3:
        order = equally_good(source.coordinates, target.coordinates, [fit.motion for fit in fits])
    else:
        shares = [min(overlaps(source, target, fit.motion)) for fit in fits]
        order = [index for index, share in enumerate(shares) if share >= max(shares) - 0.02]

    good = sorted((fits[index] for index in order), key=lambda fit: fit.cost)

    return good, len(good)


def _found(source: Domain, target: Domain, fit: AnchorFit, count: float) -> Registration:
    overlap_a, overlap_b = overlaps(source, target, fit.motion)

    return Registration(
        Relation.ISOMETRIC,
        "",
        fit.motion,
        fit.residuals,
        tuple(fit.wrong.nonzero().flatten().tolist()),
        symmetries=count,
        overlap_a=overlap_a,
        overlap_b=overlap_b,
    )


def _by_outlines(
    source: Domain, target: Domain, anchors: tuple[Tensor, Tensor] | None, tolerance: float
) -> Registration:
    r"""Flat domains laid over each other by their outlines, and by anchors too few for the whole motion."""
    if source.dimension > 3:
        reason = f"in {source.dimension} dimensions {source.dimension} generic anchors are needed"

        return Registration(Relation.UNDECIDED, reason)

    good, count = align(source.coordinates, target.coordinates, anchors)
    best = good[0]
    motion = Motion(best.matrix, best.offset)

    if anchors is None:
        doubt = _contrast(source, target, best, tolerance)

        if doubt is not None:
            return doubt

    residuals = None if anchors is None else (motion(anchors[0]) - anchors[1]).norm(dim=1)

    overlap_a, overlap_b = overlaps(source, target, motion)

    return Registration(
        Relation.ISOMETRIC, "", motion, residuals, (), count, overlap_a, overlap_b, alignment=best
    )


def _contrast(source: Domain, target: Domain, best: Alignment, tolerance: float) -> Registration | None:
    r"""Why supports are not the same, from their outlines and from samples where the other side has none."""
    moved = Motion(best.matrix, best.offset)(source.coordinates)
    voids = Voids(moved, target.coordinates), Voids(target.coordinates, moved)
    count = sum(each.stranded for each in voids)
    usual = (STRANDED_SOLID if source.dimension > 2 else STRANDED) * (
        len(moved) + len(target.coordinates)
    ) + FEW
    # Over the largest that chance makes; in solids samples next to faces look as if they lay in voids.
    void = 0.0
    if source.dimension == 2:
        sizes = len(target.coordinates), len(moved)
        void = max(each.largest / (VOID + VOID_EACH * n) for each, n in zip(voids, sizes, strict=True))

    if best.agrees and count <= usual and void <= 1.0:
        return None

    share = best.distance / target.spread
    reason = (
        f"the outlines of the spaces differ by {share:.1%} of their spread, and {count} samples of one lie where "
        "the other should have samples and has none"
    )
    # Outlines alone may show holes that there are not: what is no part of the other support has samples of the one.
    differs = void > CERTAIN or (count > usual and (best.differs or count > CERTAIN * usual))

    return Registration(Relation.NONE if differs and share > tolerance else Relation.UNDECIDED, reason)

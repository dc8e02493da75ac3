r"""What speaks for and against a registration of two charts: errors, reasons for doubt, and the facts behind them."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from equiv.charts.side import ChartedSide
from equiv.findings.reasons import MIN_OVERLAP
from equiv.observe.observations import Observations
from equiv.registration.anchors import exchanged
from equiv.registration.result import Registration, Relation
from equiv.spectral.spectrum import spectral_distance
from equiv.transformation import Transformation
from equiv.unpaired.errors import estimate_error
from equiv.unpaired.limits import EXCLUDING_ROUGHNESS
from equiv.unpaired.result import NO_MAP, UNKNOWN, Facts, SideFacts
from equiv.verdict import NAME_A, NAME_B, Interval, Sentence, percent

__all__ = ["blocking_reasons", "direction_errors", "facts", "low_overlaps", "other_lengths", "with_observed"]


def direction_errors(
    a: ChartedSide,
    b: ChartedSide,
    found: Registration,
    transformation: Transformation,
    anchors: Tensor | None,
    confidence: float,
) -> tuple[Interval, Interval]:
    r"""Errors from A to B and back, with their bounds."""
    if found.relation is Relation.NONE:
        return NO_MAP, NO_MAP

    if found.relation is Relation.UNDECIDED:
        return UNKNOWN, UNKNOWN

    forward = backward = NO_MAP

    if found.relation is not Relation.B_ONTO_A:
        forward = estimate_error(a, b, found, transformation, anchors, confidence)

    if found.relation is not Relation.A_ONTO_B:
        back = found

        if found.freedom is not None and found.motion is not None and found.relation is Relation.ISOMETRIC:
            back = replace(found, motion=found.motion.inverse, freedom=found.freedom.inverse(found.motion))

        backward = estimate_error(b, a, back, transformation.inverse, exchanged(anchors), confidence)

    return forward, backward


def blocking_reasons(a: ChartedSide, b: ChartedSide, found: Registration) -> list[str]:
    r"""Reasons that forbid a conclusion."""
    reasons = []

    for name, side in ((NAME_A, a), (NAME_B, b)):
        # Charts that are rough but not folded serve to exclude.
        if side.objections and not (
            found.relation is Relation.NONE and side.roughness <= EXCLUDING_ROUGHNESS
        ):
            more = len(side.objections) - 1
            others = f" (and {more} more in the diagnostics)" if more else ""
            reasons.append(f"{name} has no chart to be trusted: {side.objections[0]}{others}")

    if found.relation is Relation.UNDECIDED:
        return [*reasons, found.reason]

    reasons += _incomparable(a, b, found)

    if found.relation is Relation.NONE:
        return reasons

    compared = ((1 - a.left_out) * found.overlap_a, (1 - b.left_out) * found.overlap_b)

    return reasons + low_overlaps(*compared)


def _incomparable(a: ChartedSide, b: ChartedSide, found: Registration) -> list[str]:
    r"""Reasons that forbid a conclusion because of inputs that a network does not tell apart."""
    decided = found.residuals is not None and found.alignment is None and found.freedom is None

    if (a.left_out or b.left_out) and (found.relation is Relation.NONE or not decided):
        # Edges of what is left are none of the spaces, however alike they look.
        return ["where samples are left out outlines say nothing, and the anchors do not decide without them"]

    # What one network does not place and the other does is a difference, of half as many samples at the least.
    return [
        f"{other} tells inputs apart that {name} does not, {percent(side.unplaced)} % of its inputs"
        for name, other, side, overlap in (
            (NAME_A, NAME_B, a, found.overlap_b),
            (NAME_B, NAME_A, b, found.overlap_a),
        )
        if 1 - overlap > side.unplaced / 2 > 0
    ]


def low_overlaps(overlap_a: float, overlap_b: float) -> list[str]:
    r"""Reasons that forbid a conclusion because the two sets have too little in common."""
    return [
        f"only {percent(share)} % of the samples of {name} lie where {other} has samples"
        for name, other, share in ((NAME_A, NAME_B, overlap_a), (NAME_B, NAME_A, overlap_b))
        if not share >= MIN_OVERLAP
    ]


def other_lengths(dilation: float, tolerance: float) -> list[str]:
    r"""Reasons that forbid a conclusion because lengths of the one space differ from the other's by this share."""
    # Noise averages out of the size of the spaces.
    return (
        []
        if abs(dilation) <= tolerance / 2
        else [f"lengths of the one space are {percent(abs(dilation))} % larger than the other's"]
    )


def facts(a: ChartedSide, b: ChartedSide, found: Registration, anchors: Tensor | None, rows: Tensor) -> Facts:
    r"""What the charts of both sides and their registration say, with the rows of the anchors that it is by."""
    used = rows.tolist()
    count = 0 if anchors is None else len(anchors)

    return Facts(
        method="isometric",
        method_reason="without pairs only a chart of the metric gives a map, and the frames define one",
        relation=Sentence(found.relation),
        relation_reason=Sentence(found.reason),
        anchors=count,
        rejected_anchors=tuple(used[row] for row in found.rejected),
        left_out_anchors=tuple(row for row in range(count) if row not in used),
        overlap_a=found.overlap_a,
        overlap_b=found.overlap_b,
        spectral_distance=spectral_distance(a.eigenvalues, b.eigenvalues),
        objections_a=a.objections,
        objections_b=b.objections,
        anchor_residual=None if found.residuals is None else found.residuals.square().mean().sqrt().item(),
        outline_misfit=None if found.alignment is None else found.alignment.misfit,
        a=_side_facts(a),
        b=_side_facts(b),
    )


def with_observed(found: SideFacts, obs: Observations) -> SideFacts:
    r"""What was found out about a side, with what its observations say."""
    rank = obs.rank
    usual = None if rank is None else rank.mode().values

    return replace(
        found,
        samples=len(obs),
        neurons=obs.values.shape[1],
        rank=None if usual is None else int(usual),
        rank_share=None if rank is None or usual is None else (rank == usual).double().mean().item(),
    )


def _side_facts(side: ChartedSide) -> SideFacts:
    found, domain = side.diagnosis, side.domain

    known = SideFacts(
        intrinsic_dimension=None if found is None else found.dimension,
        embedding=not side.objections,
        kinked=None if found is None else side.kinked,
        periods=None if domain is None or domain.periods is None else domain.periods.norm(dim=1).tolist(),
        strain=None if side.strain is None else side.strain.size,
        residual=None if found is None or domain is None else found.residual,
        eigenvalues=side.eigenvalues,
        left_out=side.left_out,
        left_out_samples=tuple(side.missing),
    )

    seen = with_observed(known, side.observations)

    return replace(seen, samples=len(side.observations) + len(side.missing))

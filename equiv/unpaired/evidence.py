r"""What speaks for and against an unpaired comparison: errors, reasons for doubt, and the numbers behind them."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from equiv.charts.side import Side
from equiv.registration.result import Registration, Relation
from equiv.spectral.spectrum import spectral_distance
from equiv.transformation import Transformation
from equiv.unpaired.errors import estimate_error
from equiv.verdict import NAME_A, NAME_B, Interval, Sentence

__all__ = ["MARGIN", "ROUGH", "UNKNOWN", "blocking_reasons", "direction_errors", "evidence"]


# Below this share of common support a verdict is at best inconclusive.
MIN_OVERLAP = 0.9

# Charts that miss no more than this share exclude an isometry by what differs `MARGIN` times more.
ROUGH = 0.05
MARGIN = 2.5

# Where a direction is excluded no map is returned, and the error is that of always predicting the mean.
NO_MAP = Interval(1.0, 1.0, 1.0)
UNKNOWN = Interval(math.nan, math.nan, math.nan)


def direction_errors(
    a: Side,
    b: Side,
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
        exchanged = None if anchors is None else anchors.flip(1)
        backward = estimate_error(b, a, found, transformation.inverse, exchanged, confidence)

    return forward, backward


def blocking_reasons(a: Side, b: Side, found: Registration) -> list[str]:
    r"""Reasons that forbid a conclusion."""
    reasons = []

    for name, letter, side in ((NAME_A, "a", a), (NAME_B, "b", b)):
        # Charts that are rough but not folded serve to exclude.
        if side.objections and not (found.relation is Relation.NONE and side.roughness <= ROUGH):
            more = len(side.objections) - 1
            others = f" (and {more} more: objections_{letter} in the diagnostics)" if more else ""
            reasons.append(f"{name} has no chart to be trusted: {side.objections[0]}{others}")

    if found.relation is Relation.UNDECIDED:
        reasons.append(found.reason)
    elif found.relation is not Relation.NONE:
        for name, other, share in ((NAME_A, NAME_B, found.overlap_a), (NAME_B, NAME_A, found.overlap_b)):
            if not share >= MIN_OVERLAP:
                reasons.append(f"only {share:.0%} of the samples of {name} lie where {other} has samples")

    return reasons


def evidence(a: Side, b: Side, found: Registration, anchors: Tensor | None) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "method": "isometric",
        "method_reason": "without pairs only a chart of the metric gives a map, and the frames define one",
        "relation": Sentence(found.relation),
        "relation_reason": Sentence(found.reason),
        "anchors": 0 if anchors is None else len(anchors),
        "rejected_anchors": list(found.rejected),
        "overlap_a": found.overlap_a,
        "overlap_b": found.overlap_b,
        "spectral_distance": spectral_distance(a.numbers["eigenvalues"], b.numbers["eigenvalues"]),
    }

    numbers |= {
        f"objections_{letter}": side.objections for letter, side in (("a", a), ("b", b)) if side.objections
    }

    if found.residuals is not None:
        numbers["anchor_residual"] = found.residuals.square().mean().sqrt().item()

    if found.alignment is not None:
        numbers["outline_misfit"] = found.alignment.misfit

    for name in dict.fromkeys([*a.numbers, *b.numbers]):
        numbers |= {
            f"{name}_{letter}": side.numbers[name]
            for letter, side in (("a", a), ("b", b))
            if name in side.numbers
        }

    return numbers

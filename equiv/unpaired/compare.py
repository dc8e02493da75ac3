r"""Comparison of two networks without pairs: geometry, registration, and an error from what is left.

Only the metric that the frames define is used. Each side gets a flat chart of its own; the registration is a
local isometry between the charts; T restricts, registers and lifts. The two spaces are equivalent when such
an isometry exists in both directions and T holds where it was not fitted.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from equiv.charts.chart_map import ChartMap
from equiv.charts.side import Side, chart_side
from equiv.comparison import Comparison, Direction
from equiv.coordinates.lattice import wrap
from equiv.coordinates.motion import Motion
from equiv.observe.observations import Observations
from equiv.registration.project import register_projection
from equiv.registration.register import register
from equiv.registration.result import Registration, Relation
from equiv.transformation import NoMap, Transformation
from equiv.unpaired.by_eigenfunctions import compare_spectral
from equiv.unpaired.evidence import MARGIN, ROUGH, UNKNOWN, blocking_reasons, direction_errors, evidence
from equiv.verdict import NAME_A, NAME_B, Sentence, Verdict, decide

__all__ = ["compare_unpaired"]


def compare_unpaired(
    a: Observations,
    b: Observations,
    anchors: Tensor | None = None,
    *,
    method: str = "auto",
    tolerance: float = 0.05,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    r"""Compares two unrelated sets of samples by the geometry of their frames.

    Arguments:
        a: Observations of A with frames.
        b: Observations of B with frames.
        anchors: Pairs of sample indices known to show the same hidden state, shape `(k, 2)`; None for none.
        method: Coordinates: "isometric", "galerkin", "diffusion_maps", or "auto": isometric, and where neither
            side has a flat chart, but a curved space, "galerkin".
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
        seed: Of starts drawn at random.

    Returns:
        The comparison, a mirror image of that of B and A.
    """
    if _order(b) < _order(a):
        # Every choice below is made in one fixed order of the two sets, so that the names A and B cannot
        # matter.
        exchanged = None if anchors is None else anchors.flip(1)

        return _by_method(b, a, exchanged, method, tolerance, confidence, seed).mirrored

    return _by_method(a, b, anchors, method, tolerance, confidence, seed)


def _by_method(
    a: Observations,
    b: Observations,
    anchors: Tensor | None,
    method: str,
    tolerance: float,
    confidence: float,
    seed: int,
) -> Comparison:
    options: dict[str, Any] = {"tolerance": tolerance, "confidence": confidence, "seed": seed}

    if method in ("galerkin", "diffusion_maps"):
        return compare_spectral(a, b, anchors, method=method, **options)

    sides = chart_side(a, tolerance), chart_side(b, tolerance)

    if method == "auto" and all(side.objections for side in sides):
        # No flat chart of either: a curved space, or neurons that do not tell all inputs apart.
        curved = compare_spectral(a, b, anchors, method="galerkin", **options)

        if curved.verdict != Verdict.INCONCLUSIVE:
            curved.diagnostics["method_reason"] = (
                f"neither space is flat: {curved.diagnostics['method_reason']}"
            )

            return curved

    return _compared(*sides, anchors, tolerance, confidence)


def _order(obs: Observations) -> tuple[float, ...]:
    values = obs.values.double()

    return (len(obs), values.shape[1], values.square().sum().item(), values.sum().item())


def _compared(
    side_a: Side, side_b: Side, anchors: Tensor | None, tolerance: float, confidence: float
) -> Comparison:
    known = None if anchors is None else anchors.cpu()
    registration = _registered(side_a, side_b, known, tolerance)
    transformation = _transformation(side_a, side_b, registration)
    a_to_b, b_to_a = direction_errors(side_a, side_b, registration, transformation, known, confidence)
    blocking = blocking_reasons(side_a, side_b, registration)

    if blocking and registration.relation is Relation.NONE:
        a_to_b = b_to_a = UNKNOWN

    verdict, sentence = decide(a_to_b, b_to_a, tolerance, confidence=confidence, blocking=blocking)

    if not blocking and registration.relation in (Relation.NONE, Relation.A_ONTO_B, Relation.B_ONTO_A):
        sentence += f" Why: {registration.reason}."

    if registration.symmetries > 1:
        many = "infinitely many" if math.isinf(registration.symmetries) else f"{registration.symmetries:g}"
        sentence += (
            f" There are {many} isometries of the spaces that fit equally well"
            f"{'' if anchors is None else ' with these anchors'}; the transformation is one of them."
        )

    moved, resting = _aligned(side_a, side_b, registration)

    return Comparison(
        verdict=verdict,
        a_to_b=Direction(a_to_b),
        b_to_a=Direction(b_to_a),
        transformation=transformation,
        symmetries=registration.symmetries,
        coordinates_a=moved.to(side_a.observations.values),
        coordinates_b=resting.to(side_b.observations.values),
        diagnostics=evidence(side_a, side_b, registration, anchors),
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
        chart_a=side_a.chart,
        chart_b=side_b.chart,
    )


def _registered(a: Side, b: Side, anchors: Tensor | None, tolerance: float) -> Registration:
    first, second = a.domain, b.domain

    if first is None or second is None:
        return Registration(Relation.UNDECIDED, "a chart is missing")

    if any(side.objections or side.numbers["kinked"] for side in (a, b)):
        # What rough charts exclude must differ by far more than their roughness, and kinks may leave hinges, which show
        # in the fit alone.
        rough = [side.roughness for side in (a, b) if side.roughness <= ROUGH]
        tolerance = max(tolerance, 2 * MARGIN * max(rough, default=0.0))

    if first.dimension == second.dimension:
        return register(first, second, anchors, tolerance / 2)

    dimensions = (
        f"the intrinsic dimensions differ, {first.dimension} of {NAME_A} and {second.dimension} of {NAME_B}"
    )
    larger, smaller = (first, second) if first.dimension > second.dimension else (second, first)
    columns = b.columns if smaller is second else a.columns

    # A space of fewer dimensions is an image of the other only if its frames show the lost directions.
    if columns < larger.dimension:
        return Registration(Relation.NONE, dimensions)

    exchanged = anchors.flip(1) if anchors is not None and larger is second else anchors
    found = register_projection(larger, smaller, exchanged, tolerance / 2)

    if found.motion is None or larger is first:
        return replace(found, reason=f"{dimensions}, and {found.reason}")

    return replace(
        found,
        relation=Relation.B_ONTO_A,
        reason=f"{dimensions}, and {found.reason}",
        overlap_a=found.overlap_b,
        overlap_b=found.overlap_a,
    )


def _transformation(a: Side, b: Side, found: Registration) -> Transformation:
    if found.motion is None:
        nothing = NoMap(Sentence(f"{found.reason}."))

        return Transformation(nothing, nothing)

    source, target = (b, a) if found.relation is Relation.B_ONTO_A else (a, b)
    there = _chart_map(source, target, found.motion)

    if found.relation is Relation.ISOMETRIC:
        return Transformation(there, _chart_map(target, source, found.motion.inverse))

    back = NoMap(Sentence(f"{found.reason}, so that one point has several images."))

    return Transformation(back, there) if found.relation is Relation.B_ONTO_A else Transformation(there, back)


def _chart_map(source: Side, target: Side, motion: Motion) -> ChartMap:
    assert source.chart is not None and target.chart is not None
    device = target.observations.device

    return ChartMap(source.chart, target.chart, motion.matrix.to(device), motion.offset.to(device))


def _aligned(a: Side, b: Side, found: Registration) -> tuple[Tensor, Tensor]:
    r"""Both sides' coordinates in the target's frame of reference."""
    if a.domain is None or b.domain is None:
        return _coordinates(a), _coordinates(b)

    first, second = a.domain.coordinates, b.domain.coordinates

    if found.motion is None:
        return first, second

    if found.relation is Relation.B_ONTO_A:
        return wrap(first, a.domain.periods), wrap(found.motion(second), a.domain.periods)

    return wrap(found.motion(first), b.domain.periods), wrap(second, b.domain.periods)


def _coordinates(side: Side) -> Tensor:
    r"""The coordinates of a side, `(n, 0)` where it has no chart."""
    if side.domain is None:
        return torch.zeros(len(side.observations), 0, dtype=torch.float64)

    return side.domain.coordinates

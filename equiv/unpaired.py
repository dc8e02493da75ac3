r"""Comparison of two networks without pairs: geometry, registration, and an error estimated from what is
left.

Only the metric that the frames define is used. Each side gets a flat chart of its own; the registration is a
local isometry between the charts; T restricts, registers and lifts. The two spaces are equivalent when such
an isometry exists in both directions and T holds where it was not fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equiv.comparison import Comparison, Direction
from equiv.isometric import IsometricMaps
from equiv.lattice import wrap
from equiv.observations import Observations
from equiv.registration import Domain, Registration, Relation, register
from equiv.strain import Strain, measure_strain
from equiv.transformation import ChartMap, NoMap, Transformation
from equiv.verdict import Interval, decide

__all__ = ["compare_unpaired"]

# Below this share of common support a verdict is at best inconclusive.
MIN_OVERLAP = 0.9
# RMS error of T over the root of the sum of squares of the charts' estimated errors, on synthetic pairs.
CHART_FACTOR = 1.4
# Rejected pairs of neighbours per sample that the noise of bursts explains.
NOISY_PAIRS = 0.02
NO_MAP = Interval(1.0, 1.0, 1.0)
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Side:
    r"""One network's samples with their chart."""

    observations: Observations
    domain: Domain
    chart: nn.Module
    strain: Strain
    reasons: list[str]
    numbers: dict[str, Any]

    @property
    def spread(self) -> float:
        r"""RMS distance of the activations from their mean."""
        values = self.observations.values.double()

        return (values - values.mean(dim=0)).square().sum(dim=1).mean().sqrt().item()

    @property
    def chart_error(self) -> float:
        r"""RMS error of the chart in the activations, estimated, over their spread."""
        return math.hypot(self.strain.displacement, self.strain.noise, self.strain.misfit) / self.spread


def compare_unpaired(
    a: Observations,
    b: Observations,
    anchors: Tensor | None = None,
    *,
    tolerance: float = 0.05,
    confidence: float = 0.95,
) -> Comparison:
    r"""Compares two unrelated sets of samples by the geometry of their frames.

    Arguments:
        a: Observations of A with frames.
        b: Observations of B with frames.
        anchors: Pairs of sample indices known to show the same hidden state, shape `(k, 2)`; None for none.
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.

    Returns:
        The comparison, a mirror image of that of B and A.
    """
    if _order(b) < _order(a):
        # Every choice below is made in one fixed order of the two sets, so that the names A and B cannot
        # matter.
        exchanged = None if anchors is None else anchors.flip(1)

        return _compared(b, a, exchanged, tolerance, confidence).mirrored

    return _compared(a, b, anchors, tolerance, confidence)


def _order(obs: Observations) -> tuple[float, ...]:
    values = obs.values.double()

    return (len(obs), values.shape[1], values.square().sum().item(), values.sum().item())


def _compared(
    a: Observations, b: Observations, anchors: Tensor | None, tolerance: float, confidence: float
) -> Comparison:
    side_a, side_b = _side(a), _side(b)
    known = None if anchors is None else anchors.cpu()
    registration = _registered(side_a, side_b, known, tolerance)
    transformation = _transformation(side_a, side_b, registration)
    a_to_b, b_to_a = _errors(side_a, side_b, registration, transformation, known, confidence)
    blocking = _blocking(side_a, side_b, registration)
    verdict, sentence = decide(a_to_b, b_to_a, tolerance, confidence=confidence, blocking=blocking)

    if registration.symmetries > 1:
        sentence += (
            f" The spaces have {registration.symmetries:g} isometries that fit equally well"
            f"{'' if anchors is None else ' with these anchors'}; the transformation is one of them."
        )

    moved, resting = _aligned(side_a, side_b, registration)

    return Comparison(
        verdict=verdict,
        a_to_b=Direction(a_to_b),
        b_to_a=Direction(b_to_a),
        transformation=transformation,
        symmetries=registration.symmetries,
        coordinates_a=moved.to(a.values),
        coordinates_b=resting.to(b.values),
        diagnostics=_diagnostics(side_a, side_b, registration, anchors),
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
        chart_a=side_a.chart,
        chart_b=side_b.chart,
    )


def _side(obs: Observations) -> Side:
    maps = IsometricMaps().fit(obs)
    coordinates = maps.coordinates_.detach().double().cpu()
    periods = None if maps.periods_ is None else maps.periods_.detach().double().cpu()
    strain = measure_strain(maps.chart_, obs, coordinates, periods)
    # Noise of finite bursts alone sets a few pairs of neighbours apart.
    noise = obs.burst_size is not None and maps.diagnostics_["rejected_pairs"] <= NOISY_PAIRS * len(obs)
    accepted = maps.accepted_ or (noise and maps.diagnostics_["frustration"] == 0)
    reasons = [] if accepted else list(maps.diagnostics_["reasons"])
    numbers = {
        "intrinsic_dimension": coordinates.shape[1],
        "samples": len(obs),
        "neurons": obs.values.shape[1],
        "residual": float(maps.residual_),
        "embedding": bool(maps.accepted_),
    }

    if periods is not None:
        numbers["periods"] = periods.norm(dim=1).tolist()

    return Side(obs, Domain(coordinates, periods), maps.chart_, strain, reasons, numbers)


def _registered(a: Side, b: Side, anchors: Tensor | None, tolerance: float) -> Registration:
    if a.domain.dimension != b.domain.dimension:
        return Registration(
            Relation.UNDECIDED,
            f"the intrinsic dimensions differ: {a.domain.dimension} of A and {b.domain.dimension} of B",
        )

    return register(a.domain, b.domain, anchors, tolerance / 2)


def _transformation(a: Side, b: Side, found: Registration) -> Transformation:
    if found.matrix is None or found.offset is None:
        nothing = NoMap(f"{found.reason}.")

        return Transformation(nothing, nothing)

    source, target = (b, a) if found.relation is Relation.B_COVERS_A else (a, b)
    device = target.observations.device
    matrix, offset = found.matrix.to(device), found.offset.to(device)
    there: nn.Module = ChartMap(source.chart, target.chart, matrix, offset)
    back: nn.Module = NoMap(f"{found.reason}, so that one point has several images.")

    if found.relation is Relation.ISOMETRIC:
        inverse = torch.linalg.inv(matrix)
        back = ChartMap(target.chart, source.chart, inverse, -inverse @ offset)

    if found.relation is Relation.B_COVERS_A:
        return Transformation(back, there)

    return Transformation(there, back)


def _aligned(a: Side, b: Side, found: Registration) -> tuple[Tensor, Tensor]:
    r"""Both sides' coordinates in the target's frame of reference."""
    first, second = a.domain.coordinates, b.domain.coordinates

    if found.matrix is None or found.offset is None:
        return first, second

    if found.relation is Relation.B_COVERS_A:
        return wrap(first, a.domain.periods), wrap(second @ found.matrix.T + found.offset, a.domain.periods)

    return wrap(first @ found.matrix.T + found.offset, b.domain.periods), wrap(second, b.domain.periods)


def _errors(
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

    if found.relation is not Relation.B_COVERS_A:
        forward = _error(a, b, found, transformation, anchors)

    if found.relation is not Relation.A_COVERS_B:
        backward = _error(b, a, found, transformation.inverse, None if anchors is None else anchors.flip(1))

    return forward, backward


def _error(
    source: Side, target: Side, found: Registration, transformation: nn.Module, anchors: Tensor | None
) -> Interval:
    r"""Error of one direction, from the errors of both charts and the anchors left out in turn.

    The charts' errors follow from their strains (see `equiv.strain`); what the anchors show comes on top,
    since it would also show that the spaces are not isometric. The bounds are those that held on synthetic
    pairs with known errors (`benchmarks/calibration.py`).
    """
    charts = math.hypot(source.chart_error, target.chart_error)
    left_out, freedom = _left_out(target, found, transformation, source, anchors)
    estimate = math.hypot(CHART_FACTOR * charts, left_out)
    low = math.hypot(CHART_FACTOR * charts / 3, left_out / 3)
    high = math.hypot(CHART_FACTOR * charts * 2, left_out * (1.2 + 2 / math.sqrt(freedom)))

    return Interval(estimate, low, high)


def _left_out(
    target: Side, found: Registration, transformation: nn.Module, source: Side, anchors: Tensor | None
) -> tuple[float, float]:
    r"""RMS error that the anchors left out in turn show, over the spread, and its degrees of freedom.

    k anchors that fit p parameters leave a share 1 - p / (k m) of their variance; leaving one out shows the
    reciprocal.
    """
    if anchors is None:
        return 0.0, math.inf

    values, goal = source.observations.values.double(), target.observations.values.double()
    kept = torch.ones(len(anchors), dtype=torch.bool)
    kept[list(found.rejected)] = False
    pairs = anchors[kept].to(values.device)
    k, m = len(pairs), target.domain.dimension
    turns = m * (m - 1) / 2 if target.domain.periods is None else 0
    freedom = k * m - m - turns

    if freedom <= 0:
        return 0.0, math.inf

    square = (transformation(values[pairs[:, 0]]) - goal[pairs[:, 1]]).square().sum(dim=1).mean().item()

    return math.sqrt(square) * (k * m / freedom) / target.spread, freedom


def _blocking(a: Side, b: Side, found: Registration) -> list[str]:
    r"""Reasons that forbid a conclusion."""
    reasons = [
        f"the chart of {name} was not accepted: {why}"
        for name, side in (("A", a), ("B", b))
        for why in side.reasons
    ]

    if found.relation is Relation.UNDECIDED:
        reasons.append(found.reason)
    elif found.relation is not Relation.NONE:
        for name, other, share in (
            ("A", "B", found.overlap_a),
            ("B", "A", found.overlap_b),
        ):
            if not share >= MIN_OVERLAP:
                reasons.append(f"only {share:.0%} of the samples of {name} lie where {other} has samples")

    return reasons


def _diagnostics(a: Side, b: Side, found: Registration, anchors: Tensor | None) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "method": "isometric",
        "method_reason": "without pairs only a chart of the metric gives a map, and the frames define one",
    }

    for name, value in a.numbers.items():
        numbers[f"{name}_a"] = value

        if name in b.numbers:
            numbers[f"{name}_b"] = b.numbers[name]

    numbers |= {
        "strain_a": a.strain.size,
        "strain_b": b.strain.size,
        "relation": str(found.relation),
        "relation_reason": found.reason,
        "anchors": 0 if anchors is None else len(anchors),
        "rejected_anchors": list(found.rejected),
        "overlap_a": found.overlap_a,
        "overlap_b": found.overlap_b,
    }

    if found.residuals is not None and len(found.residuals):
        numbers["anchor_residual"] = found.residuals.square().mean().sqrt().item()

    return numbers

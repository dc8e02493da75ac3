r"""Unpaired comparison by registered charts: flat input spaces.

Each side gets a flat chart of its own; the registration is a local isometry between the charts; T restricts, registers
and lifts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from equiv.charts.chart_map import ChartMap
from equiv.charts.side import ChartedSide
from equiv.coordinates.lattice import minimum_image
from equiv.coordinates.motion import Motion
from equiv.observe.draws import Draws
from equiv.registration.anchors import exchanged
from equiv.registration.project import register_projection
from equiv.registration.register import register
from equiv.registration.result import Registration, Relation
from equiv.transformation import NoMap, Transformation
from equiv.unpaired.ambiguity import charted_ambiguity
from equiv.unpaired.evidence import blocking_reasons, direction_errors, facts
from equiv.unpaired.limits import EXCLUDING_ROUGHNESS
from equiv.unpaired.readouts import Place, read_rows
from equiv.unpaired.result import NO_MAP, UNKNOWN, Finding
from equiv.verdict import NAME_A, NAME_B, Interval, Sentence

__all__ = ["compare_by_charts"]


# Rough charts exclude an isometry by what differs so many times more than what they miss, either way.
# [dimensionless; chosen: samples of one that lie where the other has none have to agree besides]
ROUGHNESS_MARGIN = 2.5


def compare_by_charts(
    a: ChartedSide, b: ChartedSide, anchors: Tensor | None, tolerance: float, confidence: float
) -> Finding:
    r"""Registers the charts of both sides, and estimates the errors of the maps through them.

    Arguments:
        a: Side A.
        b: Side B.
        anchors: Pairs of sample indices known to show the same hidden state, shape `(k, 2)`; None for none.
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
    """
    rows, known = _anchors(a, b, anchors)
    found = _register_sides(a, b, known, tolerance)
    transformation = _transformation(a, b, found)
    blocking = blocking_reasons(a, b, found)
    excluding = found.relation in (Relation.NONE, Relation.A_ONTO_B, Relation.B_ONTO_A)

    if blocking and found.relation is Relation.NONE:
        errors = UNKNOWN, UNKNOWN
    else:
        errors = direction_errors(a, b, found, transformation, known, confidence)

    if found.relation is not Relation.NONE and (a.objections or b.objections):
        # What a chart is worth that contradicts its own samples nobody knows.
        errors = _unbounded(errors[0]), _unbounded(errors[1])

    coordinates = _aligned(a, b, found)

    return Finding(
        facts=facts(a, b, found, anchors, rows),
        transformation=transformation,
        a_to_b=errors[0],
        b_to_a=errors[1],
        blocking=blocking,
        explanation=found.reason if excluding else "",
        symmetries=found.symmetries,
        equally_good="isometries of the spaces that fit equally well"
        + ("" if anchors is None else " with these anchors"),
        ambiguity=charted_ambiguity(a, b, found),
        coordinates_a=coordinates[0],
        coordinates_b=coordinates[1],
        chart_a=a.chart,
        chart_b=b.chart,
        places=partial(_places, a, b, found),
    )


def _anchors(a: ChartedSide, b: ChartedSide, anchors: Tensor | None) -> tuple[Tensor, Tensor | None]:
    r"""Rows of the anchors both of whose samples are kept, and their places among these; None for none."""
    if anchors is None:
        return torch.zeros(0, dtype=torch.int64), None

    ends = anchors.cpu()
    places, known = zip(*(side.place(each) for side, each in zip((a, b), ends.T, strict=True)), strict=True)
    rows = (known[0] & known[1]).nonzero()[:, 0]

    return rows, torch.stack(places, dim=1)[rows] if len(rows) else None


def _unbounded(error: Interval) -> Interval:
    r"""An error that nothing bounds; that of no map is none."""
    if error == NO_MAP or math.isnan(error.estimate):
        return UNKNOWN

    return Interval(error.estimate, 0.0, math.inf)


def _register_sides(a: ChartedSide, b: ChartedSide, anchors: Tensor | None, tolerance: float) -> Registration:
    if a.domain is None or b.domain is None:
        return Registration(Relation.UNDECIDED, "a chart is missing")

    if any(side.objections or side.kinked for side in (a, b)):
        # What rough charts exclude must differ by far more than their roughness, and kinks may leave hinges, which show
        # in the fit alone.
        rough = [side.roughness for side in (a, b) if side.roughness <= EXCLUDING_ROUGHNESS]
        tolerance = max(tolerance, 2 * ROUGHNESS_MARGIN * max(rough, default=0.0))

    m_a, m_b = a.domain.dimension, b.domain.dimension

    if m_a == m_b:
        return register(a.domain, b.domain, anchors, tolerance / 2)

    dimensions = f"the intrinsic dimensions differ, {m_a} of {NAME_A} and {m_b} of {NAME_B}"

    # A space of fewer dimensions is an image of the other only if its frames show the lost directions.
    if (b if m_a > m_b else a).columns < max(m_a, m_b):
        return Registration(Relation.NONE, dimensions)

    if m_a > m_b:
        found = register_projection(a.domain, b.domain, anchors, tolerance / 2)
    else:
        found = register_projection(b.domain, a.domain, exchanged(anchors), tolerance / 2).mirrored

    return replace(found, reason=f"{dimensions}, and {found.reason}")


def _transformation(a: ChartedSide, b: ChartedSide, found: Registration) -> Transformation:
    if found.motion is None:
        nothing = NoMap(Sentence(f"{found.reason}."))

        return Transformation(nothing, nothing)

    source, target = (b, a) if found.relation is Relation.B_ONTO_A else (a, b)
    there = _chart_map(source, target, found.motion)

    if found.relation is Relation.ISOMETRIC:
        return Transformation(there, _chart_map(target, source, found.motion.inverse))

    back = NoMap(Sentence(f"{found.reason}, so that one point has several images."))

    return Transformation(back, there) if found.relation is Relation.B_ONTO_A else Transformation(there, back)


def _chart_map(source: ChartedSide, target: ChartedSide, motion: Motion) -> ChartMap:
    assert source.chart is not None and target.chart is not None
    device = target.observations.device

    return ChartMap(source.chart, target.chart, motion.matrix.to(device), motion.offset.to(device))


def _places(a: ChartedSide, b: ChartedSide, found: Registration) -> tuple[list[Place], list[Place]]:
    r"""Images of samples, from A to B and back, by the map and by those that fit as well; none without a map."""
    if found.motion is None:
        return [], []

    if found.relation is Relation.B_ONTO_A:
        return [], _charted_places(b, a, found.motion, found.alternatives)

    there = _charted_places(a, b, found.motion, found.alternatives)

    if found.relation is not Relation.ISOMETRIC:
        return there, []

    others = (other.inverse for other in found.alternatives)

    return there, _charted_places(b, a, found.motion.inverse, others)


def _charted_places(
    source: ChartedSide, target: ChartedSide, motion: Motion, others: Iterable[Motion]
) -> list[Place]:
    r"""The target's samples where the map is right, and the source's images by it where another motion is."""
    assert source.domain is not None and target.domain is not None and target.chart is not None
    chart, device, periods = target.chart, target.observations.device, target.domain.periods

    def lifted(coordinates: Tensor) -> Tensor:
        return chart.lift(minimum_image(coordinates, periods).to(device))

    def place(values: Tensor, coordinates: Tensor, draws: Draws) -> Place:
        return Place(
            values,
            coordinates,
            coordinates.shape[1],
            draws,
            lambda displaced: lifted(coordinates + displaced),
        )

    rows, draws = read_rows(target.observations)
    own = place(target.observations.values[rows.to(device)].double(), target.domain.coordinates[rows], draws)
    rows, draws = read_rows(source.observations)
    some = source.domain.coordinates[rows]

    return [own, *(place(lifted(other(some)), motion(some), draws) for other in others)]


def _aligned(a: ChartedSide, b: ChartedSide, found: Registration) -> tuple[Tensor | None, Tensor | None]:
    r"""Both sides' coordinates in the target's frame of reference; None for a side without."""
    first, second = a.coordinates, b.coordinates

    if found.motion is None or first is None or second is None:
        return first, second

    assert a.domain is not None and b.domain is not None

    if found.relation is Relation.B_ONTO_A:
        return minimum_image(first, a.domain.periods), minimum_image(found.motion(second), a.domain.periods)

    return minimum_image(found.motion(first), b.domain.periods), minimum_image(second, b.domain.periods)

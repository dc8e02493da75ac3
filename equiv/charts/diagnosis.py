r"""What speaks against a flat chart: neighbours that contradict it, crossings, and what it misses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from equiv.charts.build import anchor_indices
from equiv.charts.chart import Chart
from equiv.charts.crossings import count_crossings
from equiv.charts.limits import FOLDED, PAIRS_PER_MIRRORED, Limits
from equiv.coordinates.lift import relative_error
from equiv.flattening.cloud import Cloud
from equiv.flattening.curve_ends import NEAR_ENDS
from equiv.flattening.integrate import Integration
from equiv.verdict import percent

__all__ = ["Diagnosis", "diagnose", "objections", "roughness"]


@dataclass(frozen=True)
class Diagnosis:
    r"""What a chart misses at its samples.

    Attributes:
        dimension: Of the coordinates, m.
        noise: Of the frames, a share of their lengths; 0 where they are exact.
        residual: Root mean square misfit of the pairs of neighbours over their lengths.
        fit_error: Root mean square of what the lift misses of values, of samples left out where frames take part in
            it, over the spread of the values.
        refinement: Root mean square move of the last correction over the spread of the coordinates.
        rejected_pairs: Number of pairs whose displacement contradicts the coordinates.
        frustrated_pairs: Number of pairs whose orientation does, of nearly parallel tangent spaces.
        torn_pairs: How many of the rejected ones no kink explains.
        pairs: Number of all pairs of neighbours.
        crossings: Number of pairs of samples from which a crossing of the image with itself was found.
        smallest_gap: Between two sheets, in distances of neighbours there; infinite where none come near each other.
        nearest_ends: Distance of two ends of a curve, in usual distances of neighbours there; infinite elsewhere.
        kinks: Residuals over what kinks explain, where frames jump between neighbours; None elsewhere.
        converged: Whether the equations of the pairs were solved.
    """

    dimension: int
    noise: float
    residual: float
    fit_error: float
    refinement: float
    rejected_pairs: int
    frustrated_pairs: int
    torn_pairs: int
    pairs: int
    crossings: int
    smallest_gap: float
    nearest_ends: float
    kinks: float | None
    converged: bool


def diagnose(found: Integration, cloud: Cloud, chart: Chart) -> Diagnosis:
    r"""Measures what a chart misses.

    Arguments:
        found: The coordinates.
        cloud: The samples that they are of.
        chart: The chart that was built from both.
    """
    coordinates = found.solution.coordinates
    anchors = anchor_indices(len(cloud))
    crossings, gap = count_crossings(
        cloud.values[anchors], coordinates[anchors], chart.get_buffer("anchor_spacing").cpu(), found.lift.fit
    )

    return Diagnosis(
        dimension=cloud.dimension,
        noise=cloud.noise,
        residual=found.residual,
        fit_error=relative_error(found.lift.missed, cloud.values),
        refinement=found.refinement,
        rejected_pairs=found.rejected,
        frustrated_pairs=found.frustrated,
        torn_pairs=found.torn,
        pairs=found.edges,
        crossings=crossings,
        smallest_gap=gap,
        nearest_ends=found.ends,
        kinks=found.excess,
        converged=found.solution.converged,
    )


def _contradictions(found: Diagnosis, limits: Limits) -> int:
    r"""How many pairs of neighbours contradict the coordinates, 0 where they are few."""
    every = found.rejected_pairs + found.frustrated_pairs

    if found.kinks is None:
        curve = found.dimension == 1
        usual = limits.curve_pairs_per_contradiction if curve else limits.pairs_per_contradiction

        return every if every > max(1, found.pairs // usual) else 0

    unexplained = found.torn_pairs + found.frustrated_pairs
    tear = limits.pairs_per_tear
    few = limits.unexplained_pairs * math.sqrt(found.pairs) if tear is None else found.pairs / tear

    if unexplained > max(1.0, few):
        return unexplained

    return every if every > found.pairs // limits.kinked_pairs_per_contradiction else 0


def objections(found: Diagnosis, limits: Limits) -> list[str]:
    r"""Sentences, empty where nothing speaks against the chart."""
    reasons = []
    curve, kinks = found.dimension == 1, found.kinks
    contradictions = _contradictions(found, limits)

    if contradictions:
        reasons.append(
            f"{contradictions} of {found.pairs} pairs of neighbours contradict the coordinates ("
            f"{found.frustrated_pairs} in orientation): no flat chart, or too few samples."
        )

    if kinks is not None:
        if not kinks <= limits.kink_excess:
            reasons.append(
                f"The pairs of neighbours miss the coordinates by {kinks:.1f} times what kinks explain: a curved "
                "space, or too few samples."
            )
    elif not found.residual <= (limits.curve_residual if curve else limits.residual + found.noise):
        reasons.append(
            f"The pairs of neighbours miss the coordinates by {percent(found.residual)} % of their lengths: a "
            "curved space, noisy frames, or too few samples."
        )

    if not found.fit_error <= (limits.curve_fit_error if curve else limits.fit_error + found.noise):
        reasons.append(
            f"The values are off a smooth function of the coordinates by {percent(found.fit_error)} % of their "
            "spread: the coordinates overlap themselves, or too few samples."
        )

    # Noisy frames get one correction only: how far it moved the coordinates says nothing.
    if not (curve or found.noise > 0 or found.refinement <= limits.refinement):
        reasons.append(
            f"The last correction still moved the coordinates by {percent(found.refinement)} % of their spread: "
            "too few samples."
        )

    if found.crossings > 0:
        reasons.append(
            f"The image of the coordinates crosses itself (found from {found.crossings} pairs of samples): "
            "the neurons do not tell all inputs apart."
        )

    if found.nearest_ends <= NEAR_ENDS:
        reasons.append(
            f"Two ends of the curve are as near as {found.nearest_ends:.1f} times the usual distance of "
            "neighbours there: it may go on, in a bend that too few samples show."
        )

    return reasons


def roughness(found: Diagnosis) -> float:
    r"""The largest of what a chart misses, as a share: of its pairs of neighbours, of the smooth fit, and of its last
    correction; infinite where it may be folded."""
    kinked = found.kinks is not None

    # A curve whose ends may be none may be closed.
    if (
        found.crossings > 0
        or found.nearest_ends <= NEAR_ENDS
        or _contradictions(found, FOLDED)
        or (not kinked and found.frustrated_pairs > found.pairs / PAIRS_PER_MIRRORED)
    ):
        return math.inf

    if found.dimension == 1:
        return found.fit_error

    if kinked:
        return max(found.fit_error, found.refinement)

    return max(found.residual, found.fit_error, found.refinement)

r"""What is shared: errors of directions against their variance, and of neurons, with what it means for the task."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from equiv.findings.direction import Direction, further_rows, shared_rows
from equiv.report.correspondence import evenly
from equiv.report.markup import escape, paragraphs, percent, table
from equiv.report.ticks import log_ticks

if TYPE_CHECKING:
    from equiv.comparison import Comparison

__all__ = ["shared_html"]

# Points of a direction that are drawn, and rows of its table.
# [points; chosen: more lie on each other]
MOST_POINTS = 200

# Errors and variances below this share of the largest are drawn at it.
# [dimensionless; chosen: six powers of ten can be told apart in a drawing]
SMALLEST = 1e-6

# The drawing, and its margins.
# [units of the SVG; chosen: two of them stand side by side on a laptop]
WIDTH, HEIGHT, LEFT, FOOT = 420.0, 240.0, 58.0, 30.0


class Point(NamedTuple):
    r"""A point of a drawing: place, class of its colour ("a" or "b", the source), and what is said of it."""

    x: float
    y: float
    side: str
    said: str


def shared_html(result: Comparison) -> str:
    r"""The section as HTML; empty where no pairs told what is shared."""
    directions = (("A to B", "B", "a", result.a_to_b), ("B to A", "A", "b", result.b_to_a))
    rows = [
        row
        for name, target, _, each in directions
        for row in (
            *shared_rows(each, name, target, result.tolerance),
            *further_rows(each, name, target),
        )
    ]

    if not rows:
        return ""

    components = [point for name, _, side, each in directions for point in _components(each, name, side)]
    neurons = [
        point for name, target, side, each in directions for point in _neurons(each, name, target, side)
    ]
    figures = [
        _figure(points, result.tolerance, name, logarithmic, caption)
        for points, name, logarithmic, caption in (
            (components, "share of the variance", True, "Directions of the target: error against variance."),
            (neurons, "share of the neurons", False, "Neurons of the target, best determined first: error."),
        )
        if points
    ]
    text = (
        "Blue is from A to B, orange from B to A; below the line is within the tolerance. Directions were "
        "chosen on samples other than those that judge them."
    )

    return (
        table("What of each target is shared", ["Quantity", "Found"], rows, named=False)
        + (paragraphs(text) + f'<div class="two">{"".join(figures)}</div>' if figures else "")
        + "".join(
            _listed(points, name) for points, name in ((components, "directions"), (neurons, "neurons"))
        )
    )


def _components(direction: Direction, name: str, side: str) -> list[Point]:
    found = direction.components

    if found is None or not found.resolved:
        return []

    variance = found.variance.tolist()

    return [
        Point(
            variance[k],
            found.errors[k].estimate,
            side,
            f"{name}, direction {k + 1}: {percent(variance[k])} of the variance, error {found.errors[k]}",
        )
        for k in evenly(len(variance), MOST_POINTS).tolist()
        if math.isfinite(found.errors[k].estimate)
    ]


def _neurons(direction: Direction, name: str, target: str, side: str) -> list[Point]:
    errors = [] if direction.by_neuron is None else direction.by_neuron.tolist()
    ranked = sorted((error, k) for k, error in enumerate(errors) if math.isfinite(error))

    return [
        Point(
            (place + 0.5) / len(ranked),
            error,
            side,
            f"{name}, neuron {k} of {target}: error {percent(error)}",
        )
        for place in evenly(len(ranked), MOST_POINTS).tolist()
        for error, k in [ranked[place]]
    ]


def _figure(points: Sequence[Point], tolerance: float, name: str, logarithmic: bool, caption: str) -> str:
    r"""Points in a drawing whose vertical axis is the error, on a logarithmic scale; hovering tells what each is."""
    high = max(tolerance, *(point.y for point in points))
    up = _scale(high * SMALLEST, tolerance, [point.y for point in points])
    along = _scale(SMALLEST, 1.0, [point.x for point in points]) if logarithmic else None
    right, inner = WIDTH - 12, HEIGHT - FOOT - 10

    def across(x: float) -> float:
        return LEFT + (x if along is None else along[0](x)) * (right - LEFT)

    def down(y: float) -> float:
        return HEIGHT - FOOT - up[0](y) * inner

    parts = [f'<path class="axis" d="M{LEFT} 10V{HEIGHT - FOOT}H{right}"/>']
    ticks = [0.0, 0.5, 1.0] if along is None else along[1]

    for value in up[1]:
        parts.append(
            f'<text x="{LEFT - 6}" y="{down(value) + 4:.1f}" text-anchor="end">{percent(value)}</text>'
        )

    for value in ticks:
        parts.append(
            f'<text x="{across(value):.1f}" y="{HEIGHT - FOOT + 17}" text-anchor="middle">{percent(value)}</text>'
        )

    parts.append(f'<path class="limit" d="M{LEFT} {down(tolerance):.1f}H{right}"/>')
    parts += [
        f'<circle class="{point.side}" cx="{across(point.x):.1f}" cy="{down(point.y):.1f}" r="4" '
        f'data-said="{escape(point.said)}"/>'
        for point in points
    ]
    middle = (LEFT + right) / 2
    parts.append(
        f'<text class="name" x="{middle}" y="{HEIGHT + 6}" text-anchor="middle">{escape(name)}</text>'
    )
    label = escape(f"{caption} {len(points)} points, tolerance {percent(tolerance)}.")

    return (
        f'<figure><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT + 14:.0f}" role="img" aria-label="{label}">{"".join(parts)}'
        f"</svg><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _scale(
    least: float, shown: float, values: Sequence[float]
) -> tuple[Callable[[float], float], list[float]]:
    r"""A logarithmic scale from 0 to 1 that holds the values and one more, and its ticks."""
    low, high = max(least, min(shown, *values)) / 1.5, max(shown, *values) * 1.5

    def share(value: float) -> float:
        return math.log(max(value, low) / low) / math.log(high / low)

    return share, log_ticks(low, high)


def _listed(points: Sequence[Point], name: str) -> str:
    r"""The numbers behind a drawing, for those who ask."""
    if not points:
        return ""

    rows = [[number + 1, point.said] for number, point in enumerate(points)]
    listed = table(f"Errors of {name}", ["Number", "Found"], rows, named=False)

    return f"<details><summary>The {len(points)} {name} that are drawn</summary>{listed}</details>"

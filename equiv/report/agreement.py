r"""How well two charts agree: laid over each other, and where they fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import Array, as_array
from equiv.report.angles import Reading
from equiv.report.correspondence import DrawnChart, DrawnPair, evenly
from equiv.report.linked_charts import chart_window, chart_windows
from equiv.report.markup import diagnostic, in_words, percent, table
from equiv.report.sections import HeldOut
from equiv.report.svg import chart_svg, gradient, overlay_svg, ramp

if TYPE_CHECKING:
    from equiv.comparison import Comparison

__all__ = ["error_map_html", "registration_html"]


# Points of each side that are laid over each other.
# [points; chosen: with more, circles hide crosses]
OVERLAID_POINTS = 400

# Samples of each side that T carries there and back.
# [samples; chosen: T takes them in a second]
RETURNED_SAMPLES = 100


def error_map_html(
    result: Comparison, pair: DrawnPair, held_out: HeldOut | None = None, reading: Reading | None = None
) -> str:
    r"""Where the charts or the transformation fail; empty where there is no evidence.

    Arguments:
        result: The comparison.
        pair: The charts.
        held_out: Inputs at which the errors are known; or None.
        reading: How their coordinates are read as those of the charts; None as they are.
    """
    if held_out is not None and pair.aligned:
        return _known(pair, held_out, reading)

    return _disagreement(pair) if pair.paired and pair.aligned else _round_trip(result, pair)


def registration_html(pair: DrawnPair, diagnostics: dict[str, Any]) -> str:
    r"""The registered charts laid over each other, distances between them, and what holds them together.

    Arguments:
        pair: Charts that are aligned.
        diagnostics: Of the comparison.
    """
    window = chart_windows(pair)[0]
    a, b = pair.a.thinned(OVERLAID_POINTS), pair.b.thinned(OVERLAID_POINTS)
    first, second = a.positions, b.positions
    apart = ""

    if window.kind != "plane":  # two lanes, so that neither side hides the other
        apart = ", set apart so that both can be seen"
        lane = np.array([0.0, 0.045 * window.span])
        first = first if window.kind == "ring" else first * [1.0, 0.4] + lane
        second = 0.88 * second if window.kind == "ring" else second * [1.0, 0.4] - lane

    label = (
        f"{len(first)} of A's points as circles and {len(second)} of B's as crosses, in common coordinates"
    )
    sides = [
        (side.name.lower(), at, [f"{side.name} at {side.told(place)}" for place in side.coordinates])
        for side, at in ((a, first), (b, second))
    ]
    drawn = overlay_svg(window, sides, label, a.names[:3], pair.marked[0])
    spread = float(np.sqrt(pair.b.coordinates.var(axis=0).sum())) or 1.0
    rows = []

    for way, link in zip(("A to B", "B to A"), pair.links, strict=True):
        if link is not None and link.gap is not None:
            middle, upper = np.percentile(link.gap, [50, 95])
            share = percent(float(middle) / spread)
            rows.append([way, *map(pair.distance, map(float, (middle, upper, link.gap.max()))), share])

    meaning = (
        f"Distance between the two places of the same input{pair.unit}"
        if pair.paired
        else f"Distance to the nearest point of the other side{pair.unit}: as small as the samples are "
        "dense, where both cover the same region"
    )
    known = [
        [in_words(key), diagnostic(key, diagnostics[key])]
        for key in ("relation", "relation_reason", "anchors", "rejected_anchors", "anchor_residual")
        if diagnostics.get(key) not in (None, "")
    ]
    held = table("What holds the charts together", ["Quantity", "Value"], known) if known else ""
    header = ["Direction", "Median", "95 % below", "Largest", "Median / spread"]

    return (
        f"<p>Both charts in one frame of reference: A's points as circles, B's as crosses{apart}.</p>"
        f'<div class="two"><figure>{drawn}<figcaption>{len(first)} circles A, {len(second)} crosses B'
        f"{pair.unit}.</figcaption></figure><div>{table(meaning, header, rows)}{held}</div></div>"
    )


def _known(pair: DrawnPair, held_out: HeldOut, reading: Reading | None) -> str:
    r"""The true errors, where inputs are known that the comparison never saw."""
    coordinates = as_array(held_out.coordinates, "coordinates", 2)
    places = coordinates if reading is None else reading(coordinates)
    number_of = np.arange(len(places))
    sides = [
        (dataclasses.replace(side, index=number_of, coordinates=places), as_array(error, "error", 1), name)
        for side, error, name in (
            (pair.a, held_out.a_to_b, "From A to B"),
            (pair.b, held_out.b_to_a, "From B to A"),
        )
    ]
    text = (
        f"The true error at {len(places)} fresh inputs that the comparison never saw, over the spread of the target, "
        "each drawn at its place."
    )

    return _maps(text, sides, percent)


def _disagreement(pair: DrawnPair) -> str:
    link = pair.links[0]

    if link is None or link.gap is None:
        return ""

    text = f"Distance between the two places of each input{pair.unit}; drawn at its place in A's chart."

    return _maps(text, [(pair.a, link.gap, "Network A")], pair.distance)


def _round_trip(result: Comparison, pair: DrawnPair) -> str:
    r"""How far from its start T and its inverse return a sample; empty where there is no way back."""
    charts: tuple[Any, Any] = (result.chart_a, result.chart_b)

    if not pair.aligned or None in charts or result.diagnostics.get("relation") != "isometric":
        return ""

    there = result.transformation
    drawn = []

    for name, chart, out, home in (
        ("A", charts[0], there, there.inverse),
        ("B", charts[1], there.inverse, there),
    ):
        values, coordinates = chart.anchor_values, as_array(chart.anchor_coordinates, "coordinates", 2)
        chosen = evenly(len(values), RETURNED_SAMPLES)
        start = values[chosen]
        spread = (values - values.mean(dim=0)).square().sum(dim=1).mean().sqrt()
        error = as_array((home(out(start)) - start).norm(dim=1) / spread, "error", 1)
        lattice = as_array(chart.periods, "periods", 2) if len(chart.periods) else None
        drawn.append((DrawnChart(name, chosen, coordinates[chosen], lattice), error, f"Network {name}"))

    text = (
        "How far from its start a sample returns that the map carries to the other network and back, over "
        "the spread of its network's activations, each in its own chart. It tells where the map can be inverted, "
        "not whether it is right."
    )

    return _maps(text, drawn, percent)


def _maps(text: str, sides: list[tuple[DrawnChart, Array, str]], told: Callable[[float], str]) -> str:
    r"""The error at the points of each side's chart on one scale, and its distribution.

    Arguments:
        text: What is shown.
        sides: Chart, error `(n,)` and name of each.
        told: An error in words.
    """
    known = np.concatenate([error[np.isfinite(error)] for _, error, _ in sides])

    if not len(known) or not known.max() > 0:
        return ""

    top = float(known.max())
    low = max(float(known.min()), 1e-6 * top)
    figures = []

    for side, error, name in sides:
        inside = np.clip(np.nan_to_num(error, nan=top), low, top)
        share = np.log(inside / low) / max(float(np.log(top / low)), 1e-12)
        said = [
            f"{told(float(size))} at {side.told(place)}"
            for size, place in zip(error, side.coordinates, strict=True)
        ]
        label = f"{name}: chart coloured by the error, from {told(low)} to {told(top)}"
        drawn = chart_svg(
            chart_window(side), side.positions, ramp(share), label, names=side.names[:3], said=said
        )
        heading = f'<figcaption class="name {side.name.lower()}">{name}</figcaption>'
        figures.append(f"<figure>{heading}{drawn}</figure>")

    names = [f"At most, {name[:1].lower()}{name[1:]}" for _, _, name in sides]
    rows = [
        [f"{share} %", *(told(float(np.nanpercentile(error, share))) for _, error, _ in sides)]
        for share in (5, 25, 50, 75, 95, 100)
    ]
    numbers = table("Distribution of the error", ["Share of points", *names], rows)
    key = (
        f'<p class="key"><span>{told(low)}</span><i style="background:{gradient()}"></i>'
        f"<span>{told(top)}, logarithmic</span></p>"
    )

    if len(figures) == 1:
        return f'<p>{text}</p><div class="two"><div>{figures[0]}{key}</div><div>{numbers}</div></div>'

    return f'<p>{text}</p><div class="two maps">{"".join(figures)}</div>{key}{numbers}'

r"""Errors with their bounds, and spectra, as SVG that tells its numbers where it is pointed at or touched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from equiv.figures.drawing import Array
from equiv.report.markup import escape, number, percent
from equiv.report.ticks import log_ticks, nice_ticks
from equiv.verdict import Interval

__all__ = ["bounds_svg", "spectrum_svg"]


# Width of a drawing.
# [units of the SVG; chosen: two charts stand side by side on a laptop, at their own size]
_WIDTH = 420.0


def bounds_svg(rows: Sequence[tuple[str, str, tuple[float, float, float]]], tolerance: float) -> str:
    r"""Errors with their bounds on a logarithmic scale, beside the tolerance.

    Arguments:
        rows: Name, class ("a" or "b") and (estimate, low, high) of each error; those that are NaN stay empty.
        tolerance: Largest error that counts as determined.
    """
    known = [x for _, _, error in rows for x in error if math.isfinite(x) and x > 0] or [tolerance / 50, 1.0]
    low, high = min(tolerance, *known) / 2, max(tolerance, *known) * 2
    low = max(low, high * 1e-9)
    left, width = 6.0, 400.0
    foot = 46.0 * len(rows) + 6

    def along(value: float) -> float:
        share = math.log(min(max(value, low), high) / low) / math.log(high / low)
        return left + share * (width - left - 14)

    parts = [f'<path class="axis" d="M{left} {foot}H{width - 14}"/>']

    for value in log_ticks(low, high):
        at = along(value)
        parts.append(f'<path class="axis" d="M{at:.1f} {foot}v5"/>')
        parts.append(f'<text x="{at:.1f}" y="{foot + 20}" text-anchor="middle">{percent(value)}</text>')

    limit = along(tolerance)
    parts.append(f'<path class="limit" d="M{limit:.1f} 0V{foot}"/>')
    parts.append(f'<text x="{limit:.1f}" y="-5" text-anchor="middle">tolerance {percent(tolerance)}</text>')

    for index, (name, side, (estimate, lower, upper)) in enumerate(rows):
        y = 46.0 * index + 34
        words = f'<tspan class="name">{escape(name)}</tspan> {_in_words((estimate, lower, upper))}'
        parts.append(f'<text class="said" y="{y - 14}">{words}</text>')

        if math.isnan(estimate):
            continue

        said = escape(f"{name}: {_in_words((estimate, lower, upper))}")
        parts.append(f'<path class="bar {side}" d="M{along(lower):.1f} {y}H{along(upper):.1f}"/>')
        parts.append(f'<circle class="{side}" cx="{along(estimate):.1f}" cy="{y}" r="6" data-said="{said}"/>')

    told = "; ".join(f"{name}: {_in_words(error)}" for name, _, error in rows)
    label = escape(f"Errors on a logarithmic scale. {told}; tolerance {percent(tolerance)}.")
    view = f"0 -20 {width:.0f} {foot + 46:.0f}"

    return f'<svg viewBox="{view}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _in_words(error: tuple[float, float, float]) -> str:
    return str(Interval(*error))


def spectrum_svg(eigenvalues_a: Array, eigenvalues_b: Array) -> str:
    r"""Eigenvalues of both sides `(k,)` and `(l,)` by number."""
    shown = max(len(eigenvalues_a), len(eigenvalues_b))
    high = 1.08 * max(float(np.nanmax(x)) for x in (eigenvalues_a, eigenvalues_b) if len(x))
    left, top, width, height = 46.0, 10.0, _WIDTH, 250.0
    foot, step = top + height, (width - left - 12) / max(shown, 1)
    parts = [f'<path class="axis" d="M{left} {top}V{foot}H{width - 12}"/>']

    for value in nice_ticks(0.0, high):
        y = foot - value / high * height
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')

    for k in range(shown):
        x = left + (k + 0.5) * step
        parts.append(f'<text x="{x:.1f}" y="{foot + 17}" text-anchor="middle">{k + 1}</text>')

        for side, values, shift in (("a", eigenvalues_a, -0.14), ("b", eigenvalues_b, 0.14)):
            if k < len(values) and math.isfinite(values[k]):
                at, y = x + shift * step, foot - values[k] / high * height
                shape = (
                    f'circle class="a" cx="{at:.1f}" cy="{y:.1f}" r="5"'
                    if side == "a"
                    else f'rect class="b" x="{at - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"'
                )
                said = f"Eigenvalue {k + 1} of {side.upper()}: {number(float(values[k]))}"
                parts.append(f'<{shape} data-said="{said}"/>')

    middle, below = (left + width - 12) / 2, foot + 36
    parts.append(f'<text class="name" x="{middle}" y="{below}" text-anchor="middle">number</text>')
    label = "Eigenvalues of A as circles and of B as squares"
    view = f"0 0 {width:.0f} {foot + 42:.0f}"

    return f'<svg viewBox="{view}" role="img" aria-label="{label}">{"".join(parts)}</svg>'

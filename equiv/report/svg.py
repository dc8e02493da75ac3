r"""Charts, spectra and error bounds as SVG; lines and letters take their colours from the report's style."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from equiv.figures.drawing import Array, chart_colours
from equiv.report.markup import escape, number, percent
from equiv.report.ticks import log_ticks, nice_ticks

__all__ = [
    "Window",
    "bounds_svg",
    "chart_svg",
    "gradient",
    "hexadecimal",
    "overlay_svg",
    "ramp",
    "spectrum_svg",
]


# Width of a drawing.
# [units of the SVG; chosen: two charts stand side by side on a laptop, at their own size]
_WIDTH = 420.0


class Window:
    r"""The window through which drawn positions are seen, the same for charts that are to be compared.

    Arguments:
        positions: Drawn positions of every point that has to fit, shape `(n, k)`; the scale is the same along
            all axes.
        kind: "ring", "line" or "plane" (also for the planes of a higher-dimensional chart).
        ticks: Labels around a ring, counterclockwise from the right.
    """

    def __init__(self, positions: Array, kind: str, ticks: Sequence[str] = ()) -> None:
        self.kind, self.ticks = kind, list(ticks)
        self.left, self.right, self.top, self.bottom = (46.0, 12.0, 26.0, 40.0)

        if kind == "ring":
            self.left = self.right = self.top = self.bottom = 40.0

        low, high = positions.min(axis=0), positions.max(axis=0)
        self.span = 1.06 * max(float((high - low).max()), 1e-12)
        self.centre = (low + high) / 2
        self.inner = _WIDTH - self.left - self.right

        if kind == "plane":
            self.height = self.inner * float(min(1.0, max(0.25, 1.06 * (high - low)[1:].max() / self.span)))
        else:
            self.height = self.inner if kind == "ring" else 76.0

    @property
    def size(self) -> tuple[float, float]:
        r"""Width and height of the drawing."""
        return _WIDTH, self.height + self.top + self.bottom

    def at(self, positions: Array, axes: tuple[int, int] = (0, 1)) -> Array:
        r"""Positions `(n, k)` as points `(n, 2)` of the drawing, y downwards."""
        x, y = axes
        scale = self.inner / self.span
        down = (positions[:, y] - self.centre[y]) * (
            scale if self.kind != "line" else self.height / self._band()
        )

        return np.stack(
            [
                self.left + self.inner / 2 + (positions[:, x] - self.centre[x]) * scale,
                self.top + self.height / 2 - down,
            ],
            axis=1,
        )

    def _band(self) -> float:
        return 0.15 * self.span  # a line is drawn as a band of 0.12 of its length

    def grid(self, axes: tuple[int, int] = (0, 1), names: Sequence[str] = ()) -> str:
        r"""Axes, ticks and names."""
        if self.kind == "ring":
            return self._ring()

        x, y = axes
        foot = self.top + self.height
        rise = f"M{self.left} {self.top}V" if self.kind == "plane" else f"M{self.left} "
        parts = [f'<path class="axis" d="{rise}{foot}H{self.left + self.inner}"/>']

        for value in nice_ticks(self.centre[x] - self.span / 2, self.centre[x] + self.span / 2):
            at = self.left + self.inner / 2 + (value - self.centre[x]) * self.inner / self.span
            parts.append(f'<text x="{at:.1f}" y="{foot + 17}" text-anchor="middle">{number(value)}</text>')

        if self.kind == "plane":
            reach = self.span * self.height / self.inner / 2

            for value in nice_ticks(self.centre[y] - reach, self.centre[y] + reach):
                at = self.top + self.height / 2 - (value - self.centre[y]) * self.inner / self.span
                parts.append(
                    f'<text x="{self.left - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>'
                )

        if len(names) > x:
            middle = self.left + self.inner / 2
            parts.append(
                f'<text class="name" x="{middle}" y="{foot + 36}" text-anchor="middle">{names[x]}</text>'
            )

        if self.kind == "plane" and len(names) > y:
            parts.append(f'<text class="name" x="{self.left}" y="14" text-anchor="end">{names[y]}</text>')

        return "".join(parts)

    def _ring(self) -> str:
        centre, radius = self.left + self.inner / 2, self.inner / self.span
        parts = [f'<circle class="axis" cx="{centre}" cy="{centre}" r="{radius:.1f}"/>']
        anchors = ("start", "middle", "end", "middle")

        for turn, (label, anchor) in enumerate(zip(self.ticks, anchors, strict=False)):
            angle = turn * math.pi / 2
            x, y = centre + (radius + 14) * math.cos(angle), centre - (radius + 14) * math.sin(angle) + 4
            parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(label)}</text>')

        return "".join(parts)


def hexadecimal(colours: Array) -> list[str]:
    r"""Colours `(n, 3)` in `[0, 1]` as `#rrggbb`."""
    return [f"#{bytes(row).hex()}" for row in np.round(255 * colours).astype(np.uint8)]


def chart_svg(
    window: Window, positions: Array, colours: Array, label: str, *, side: str = "", names: Sequence[str] = ()
) -> str:
    r"""A chart's points, with marks that the report's script moves.

    Arguments:
        window: The window.
        positions: Drawn positions, shape `(n, k)`.
        colours: Shape `(n, 3)`, in `[0, 1]`.
        label: What a screen reader says.
        side: "a" or "b" for a chart that lights up, "" for one that rests.
        names: Names of the axes.
    """
    radius = _radius(len(positions))
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.2g}" fill="{colour}"/>'
        for (x, y), colour in zip(window.at(positions), hexadecimal(colours), strict=True)
    )
    marks = (
        '<circle class="mark near" r="8"/><path class="mark image" d="M-11 0H-4M4 0H11M0-11V-4M0 4V11"/>'
        '<rect class="brush"/>'
    )

    if not side:
        return _svg(window, positions.shape[1], dots, label, names)

    role = f'role="application" aria-roledescription="chart" data-side="{side}" tabindex="0"'

    return _svg(window, positions.shape[1], dots + marks, label, names, role)


def overlay_svg(window: Window, first: Array, second: Array, label: str, names: Sequence[str] = ()) -> str:
    r"""A's points `(n, k)` as circles and B's `(l, k)` as crosses in one window."""
    r = _radius(max(len(first), len(second)))
    circle = f"a{r:.2g} {r:.2g} 0 1 0 {2 * r:.2g} 0a{r:.2g} {r:.2g} 0 1 0 {-2 * r:.2g} 0"
    cross = f"l{2 * r:.2g} {2 * r:.2g}m0 {-2 * r:.2g}l{-2 * r:.2g} {2 * r:.2g}"
    circles = "".join(f"M{x - r:.1f} {y:.1f}{circle}" for x, y in window.at(first))
    crosses = "".join(f"M{x - r:.1f} {y - r:.1f}{cross}" for x, y in window.at(second))
    drawn = f'<path class="hollow a" d="{circles}"/><path class="cross b" d="{crosses}"/>'

    return _svg(window, first.shape[1], drawn, label, names)


def _svg(
    window: Window, k: int, drawn: str, label: str, names: Sequence[str], role: str = 'role="img"'
) -> str:
    width, height = window.size
    planes = [(x, y) for x in range(k) for y in range(x + 1, k)]
    grids = "".join(
        f'<g data-axes="{x},{y}"{"" if (x, y) == (0, 1) else " hidden"}>{window.grid((x, y), names)}</g>'
        for x, y in planes
    )

    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" aria-label="{escape(label)}" {role}>'
        f"{grids}{drawn}</svg>"
    )


def _radius(n: int) -> float:
    return float(np.clip(75 / math.sqrt(max(n, 1)), 1.8, 4.5))


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

        parts.append(f'<path class="bar {side}" d="M{along(lower):.1f} {y}H{along(upper):.1f}"/>')
        parts.append(f'<circle class="{side}" cx="{along(estimate):.1f}" cy="{y}" r="6"/>')

    told = "; ".join(f"{name}: {_in_words(error)}" for name, _, error in rows)
    label = escape(f"Errors on a logarithmic scale. {told}; tolerance {percent(tolerance)}.")
    view = f"0 -20 {width:.0f} {foot + 46:.0f}"

    return f'<svg viewBox="{view}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _in_words(error: tuple[float, float, float]) -> str:
    if math.isnan(error[0]):
        return "unknown"

    estimate, low, high = (percent(bound) for bound in error)

    return f"{estimate} ({low} to {high})"


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
                parts.append(
                    f'<circle class="a" cx="{at:.1f}" cy="{y:.1f}" r="5"/>'
                    if side == "a"
                    else f'<rect class="b" x="{at - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'
                )

    middle, below = (left + width - 12) / 2, foot + 36
    parts.append(f'<text class="name" x="{middle}" y="{below}" text-anchor="middle">number</text>')
    label = "Eigenvalues of A as circles and of B as squares"
    view = f"0 0 {width:.0f} {foot + 42:.0f}"

    return f'<svg viewBox="{view}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def ramp(shares: Array) -> Array:
    r"""Colours `(n, 3)` from blue at 0 to orange at 1."""
    return chart_colours(shares[:, None], like=np.array([[0.0], [1.0]]))


def gradient() -> str:
    r"""The colours of `ramp` as a CSS gradient from left to right."""
    return f"linear-gradient(90deg,{','.join(hexadecimal(ramp(np.linspace(0.0, 1.0, 7))))})"

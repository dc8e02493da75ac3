r"""Charts as SVG; lines and letters take their colours from the report's style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from equiv.figures.drawing import Array, chart_colours
from equiv.report.markup import escape, number
from equiv.report.ticks import nice_ticks

__all__ = [
    "Window",
    "chart_svg",
    "gradient",
    "hexadecimal",
    "overlay_svg",
    "ramp",
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
    window: Window,
    positions: Array,
    colours: Array,
    label: str,
    *,
    side: str = "",
    names: Sequence[str] = (),
    said: Sequence[str] = (),
    anchors: Sequence[tuple[str, Array]] = (),
) -> str:
    r"""A chart's points, with marks that the report's script moves.

    Arguments:
        window: The window.
        positions: Drawn positions, shape `(n, k)`.
        colours: Shape `(n, 3)`, in `[0, 1]`.
        label: What a screen reader says.
        side: "a" or "b" for a chart that lights up, "" for one that rests.
        names: Names of the axes.
        said: What is told of each point, for one that rests; empty is nothing.
        anchors: Names of marked places, and their drawn positions `(k,)`.
    """
    radius = _radius(len(positions))
    told = [f' data-said="{escape(text)}"' for text in said] or [""] * len(positions)
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.2g}" fill="{colour}"{text}/>'
        for (x, y), colour, text in zip(window.at(positions), hexadecimal(colours), told, strict=True)
    )
    marks = (
        '<circle class="mark near" r="8"/><path class="mark image" d="M-11 0H-4M4 0H11M0-11V-4M0 4V11"/>'
        '<rect class="brush"/>'
    )

    if not side:
        return _svg(window, positions.shape[1], dots, label, names, anchors)

    role = f'role="application" aria-roledescription="chart" data-side="{side}" tabindex="0"'

    return _svg(window, positions.shape[1], dots, label, names, anchors, role, marks)


def overlay_svg(
    window: Window,
    sides: Sequence[tuple[str, Array, Sequence[str]]],
    label: str,
    names: Sequence[str] = (),
    anchors: Sequence[tuple[str, Array]] = (),
) -> str:
    r"""A's points as circles and B's as crosses in one window.

    Arguments:
        window: The window.
        sides: Class ("a" or "b"), drawn positions `(n, k)` and what is told of each point, of A and of B.
        label: What a screen reader says.
        names: Names of the axes.
        anchors: Names of marked places, and their drawn positions `(k,)`.
    """
    r = _radius(max(len(positions) for _, positions, _ in sides))
    shapes = {
        "a": f"m{-r:.2g} 0a{r:.2g} {r:.2g} 0 1 0 {2 * r:.2g} 0a{r:.2g} {r:.2g} 0 1 0 {-2 * r:.2g} 0",
        "b": f"m{-r:.2g} {-r:.2g}l{2 * r:.2g} {2 * r:.2g}m0 {-2 * r:.2g}l{-2 * r:.2g} {2 * r:.2g}",
    }
    drawn = [
        f'<path class="{side}" d="M{x:.1f} {y:.1f}{shapes[side]}" data-said="{escape(text)}"/>'
        for side, positions, said in sides
        for (x, y), text in zip(window.at(positions), said, strict=True)
    ]
    k = sides[0][1].shape[1]

    return _svg(window, k, f'<g class="laid">{"".join(drawn)}</g>', label, names, anchors)


def _svg(
    window: Window,
    k: int,
    drawn: str,
    label: str,
    names: Sequence[str],
    anchors: Sequence[tuple[str, Array]],
    role: str = 'role="img"',
    above: str = "",
) -> str:
    width, height = window.size
    planes = [(x, y) for x in range(k) for y in range(x + 1, k)]

    def layer(draw: Callable[[tuple[int, int]], str]) -> str:
        r"""What depends on the axes that are shown."""
        return "".join(
            f'<g data-axes="{x},{y}"{"" if (x, y) == (0, 1) else " hidden"}>{draw((x, y))}</g>'
            for x, y in planes
        )

    grids = layer(lambda axes: window.grid(axes, names))
    marked = layer(lambda axes: _marked(window, anchors, axes)) if anchors else ""

    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" aria-label="{escape(label)}" {role}>'
        f"{grids}{drawn}{marked}{above}</svg>"
    )


def _marked(window: Window, anchors: Sequence[tuple[str, Array]], axes: tuple[int, int]) -> str:
    r"""Anchors as diamonds with their numbers."""
    parts = []

    for name, position in anchors:
        x, y = window.at(position[None], axes)[0]
        parts.append(
            f'<g class="anchor" transform="translate({x:.1f} {y:.1f})" data-said="Anchor {escape(name)}">'
            f'<path d="M0-11L11 0L0 11L-11 0Z"/><text y="4" text-anchor="middle">{escape(name)}</text></g>'
        )

    return "".join(parts)


def _radius(n: int) -> float:
    return float(np.clip(75 / math.sqrt(max(n, 1)), 1.8, 4.5))


def ramp(shares: Array) -> Array:
    r"""Colours `(n, 3)` from blue at 0 to orange at 1."""
    return chart_colours(shares[:, None], like=np.array([[0.0], [1.0]]))


def gradient() -> str:
    r"""The colours of `ramp` as a CSS gradient from left to right."""
    return f"linear-gradient(90deg,{','.join(hexadecimal(ramp(np.linspace(0.0, 1.0, 7))))})"

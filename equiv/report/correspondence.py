r"""Which point of B's chart answers to a point of A's, and how far away it is."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equiv.figures.drawing import Array, as_array, chart_positions, common_periods, into_drawn_cell
from equiv.report.markup import number

if TYPE_CHECKING:
    from equiv.comparison import Comparison

__all__ = [
    "DrawnChart",
    "DrawnPair",
    "Links",
    "distances",
    "evenly",
    "linked_pair",
    "nearest_links",
    "paired_links",
]


# Points drawn in each chart.
# [points; chosen: a browser moves no more of them at once, and a file of more would be megabytes]
DRAWN_POINTS = 2000

_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Links:
    r"""For each point of one chart the point of the other that answers to it.

    Attributes:
        index: Shape `(n,)`.
        gap: Distance in aligned coordinates, shape `(n,)`, in input units; None where the charts are not
            aligned.
    """

    index: NDArray[np.int64]
    gap: Array | None


@dataclass(frozen=True)
class DrawnChart:
    r"""A chart as it is drawn: every finite point, or evenly many of them.

    Attributes:
        name: "A" or "B".
        index: Numbers of the points among all samples, shape `(n,)`.
        coordinates: Shape `(n, m)`, in input units.
        periods: Lattice vectors modulo which they are meant, shape `(p, m)`, or None.
        degrees: Whether the coordinates are angles in degrees instead.
    """

    name: str
    index: NDArray[np.int64]
    coordinates: Array
    periods: Array | None
    degrees: bool = False

    @property
    def dimension(self) -> int:
        return self.coordinates.shape[1]

    @property
    def positions(self) -> Array:
        return chart_positions(self.coordinates, self.periods)

    @property
    def names(self) -> list[str]:
        r"""Names of the coordinates."""
        if self.dimension == 1:
            return ["u"]

        return [f"u{str(k).translate(_LOWERED)}" for k in range(1, self.dimension + 1)]

    def thinned(self, most: int) -> DrawnChart:
        r"""At most so many of the points, evenly chosen."""
        chosen = evenly(len(self.index), most)

        return dataclasses.replace(self, index=self.index[chosen], coordinates=self.coordinates[chosen])

    def told(self, coordinates: Array) -> str:
        r"""A place `(m,)` in words."""
        words = [
            f"{x:.1f}".removesuffix(".0") + "°" if self.degrees else number(float(x), 3) for x in coordinates
        ]

        return words[0] if len(words) == 1 else f"({', '.join(words)})"


@dataclass(frozen=True)
class DrawnPair:
    r"""Both charts and what links them.

    Attributes:
        a: A's chart.
        b: B's chart.
        paired: Whether equal numbers mean the same input.
        aligned: Whether equal coordinates mean the same place.
        charted: Whether the coordinates are intrinsic, in input units, and not just aligned activations.
        links: For each point of A the point of B that answers to it, and the reverse; None where none does.
        anchors: Coordinates of the known correspondences in A's chart and in B's, each of shape `(k, m)`.
    """

    a: DrawnChart
    b: DrawnChart
    paired: bool
    aligned: bool
    charted: bool
    links: tuple[Links | None, Links | None]
    anchors: tuple[Array, Array]

    @property
    def unit(self) -> str:
        r"""In what unit the coordinates are, as the end of a phrase."""
        if self.a.degrees:
            return ", in degrees"

        return ", in input units" if self.charted else ""

    def distance(self, gap: float) -> str:
        r"""A distance in words."""
        return f"{number(gap, 2)}{'°' if self.a.degrees else ''}"

    @property
    def marked(self) -> tuple[list[tuple[str, Array]], list[tuple[str, Array]]]:
        r"""Names of the anchors, from 1, with their drawn positions in A's chart and in B's."""
        drawn = [
            [
                (str(k + 1), position)
                for k, position in enumerate(chart_positions(places, side.periods))
                if np.isfinite(position).all()
            ]
            for side, places in zip((self.a, self.b), self.anchors, strict=True)
        ]

        return drawn[0], drawn[1]


def linked_pair(result: Comparison, anchors: object = None) -> DrawnPair | None:
    r"""Both charts of a comparison with the links between them; None where one has no points or coordinates.

    Arguments:
        result: The comparison.
        anchors: Rows of A's and of B's samples that show the same inputs, shape `(k, 2)`; None where none are known.
    """
    a, b = _side(result, "A"), _side(result, "B")

    if not a.coordinates.size or not b.coordinates.size:
        return None

    charted = result.chart_a is not None or not _is_paired(result)
    rows = as_array(np.zeros((0, 2)) if anchors is None else anchors, "anchors", 2).astype(np.int64)
    fixed = [
        as_array(getattr(result, f"coordinates_{side}"), "coordinates", 2)[rows[:, k]]
        for k, side in enumerate("ab")
    ]

    return _pair(a, b, _is_paired(result), result.symmetries != 0, charted, (fixed[0], fixed[1]))


def nearest_links(source: Array, target: Array, periods: Array | None) -> Links:
    r"""The target's nearest point to the image of each source point, in aligned coordinates.

    Arguments:
        source: Shape `(n, m)`.
        target: Shape `(l, m)`.
        periods: Lattice vectors modulo which both are meant, shape `(p, m)`, or None.
    """
    from scipy.spatial import cKDTree

    inside = into_drawn_cell(target, periods)
    p = 0 if periods is None else len(periods)
    steps = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=p))).reshape(3**p, p)
    shifts = np.zeros((1, target.shape[1])) if periods is None else steps @ periods
    images = (inside[None] + shifts[:, None]).reshape(-1, target.shape[1])
    gap, found = cKDTree(images).query(into_drawn_cell(source, periods))

    return Links(found % len(target), gap)


def paired_links(source: Array, target: Array, periods: Array | None) -> Links:
    r"""Each source point `(n, m)` to the target point of the same number, in aligned coordinates."""
    return Links(np.arange(len(source)), distances(source, target, periods))


def distances(source: Array, target: Array, periods: Array | None) -> Array:
    r"""How far the points of two charts `(n, m)` are apart, modulo the periods, shape `(n,)`."""
    difference = source - target

    if periods is not None:
        difference = difference - np.round(difference @ np.linalg.pinv(periods)) @ periods

    return np.linalg.norm(difference, axis=1)


def evenly(n: int, most: int) -> NDArray[np.int64]:
    r"""At most `most` of the numbers from 0 to n - 1, evenly chosen, the first and the last among them."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).round().astype(np.int64))


def _is_paired(result: Comparison) -> bool:
    r"""Whether the samples of the comparison came in pairs."""
    known = result.diagnostics.get("paired")

    return bool(known) if known is not None else "anchors" not in result.diagnostics


def _side(result: Comparison, name: str) -> DrawnChart:
    every = as_array(getattr(result, f"coordinates_{name.lower()}"), f"coordinates_{name.lower()}", 2)
    chart = getattr(result, f"chart_{name.lower()}")
    periods = None if chart is None else getattr(chart, "periods", None)
    lattice = None if periods is None or len(periods) == 0 else as_array(periods, "periods", 2)
    finite = np.flatnonzero(np.isfinite(every).all(axis=1))

    return DrawnChart(name, finite, every[finite], lattice).thinned(DRAWN_POINTS)


def _pair(
    a: DrawnChart,
    b: DrawnChart,
    paired: bool,
    registered: bool,
    charted: bool,
    anchors: tuple[Array, Array],
) -> DrawnPair:
    aligned = registered and a.dimension == b.dimension

    if aligned:
        common = common_periods(a.periods, b.periods)
        a, b = (dataclasses.replace(side, periods=common) for side in (a, b))

    if paired:
        shared = np.intersect1d(a.index, b.index)
        a, b = (_only(side, shared) for side in (a, b))
        links: tuple[Links | None, Links | None] = (_paired(a, b, aligned), _paired(b, a, aligned))

    elif aligned:
        links = (
            nearest_links(a.coordinates, b.coordinates, a.periods),
            nearest_links(b.coordinates, a.coordinates, a.periods),
        )
    else:
        links = (None, None)

    return DrawnPair(a, b, paired, aligned, charted, links, anchors)


def _only(side: DrawnChart, index: NDArray[np.int64]) -> DrawnChart:
    kept = np.isin(side.index, index)

    return DrawnChart(side.name, side.index[kept], side.coordinates[kept], side.periods)


def _paired(source: DrawnChart, target: DrawnChart, aligned: bool) -> Links:
    if not aligned:
        return Links(np.arange(len(source.index)), None)

    return paired_links(source.coordinates, target.coordinates, source.periods)

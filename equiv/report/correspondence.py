r"""Which point of B's chart answers to a point of A's, and how far away it is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equiv.figures.drawing import Array, as_array, chart_positions, common_periods, into_drawn_cell

if TYPE_CHECKING:
    from equiv.comparison import Comparison

__all__ = ["DrawnChart", "DrawnPair", "Links", "evenly", "linked_pair", "nearest_links", "paired_links"]


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
    """

    name: str
    index: NDArray[np.int64]
    coordinates: Array
    periods: Array | None

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

        return DrawnChart(self.name, self.index[chosen], self.coordinates[chosen], self.periods)


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
    """

    a: DrawnChart
    b: DrawnChart
    paired: bool
    aligned: bool
    charted: bool
    links: tuple[Links | None, Links | None]

    @property
    def unit(self) -> str:
        r"""In what unit the coordinates are, as the end of a phrase."""
        return ", in input units" if self.charted else ""


def linked_pair(result: Comparison) -> DrawnPair | None:
    r"""Both charts of a comparison with the links between them; None where one has no points or coordinates."""
    a, b = _side(result, "A"), _side(result, "B")

    if not a.coordinates.size or not b.coordinates.size:
        return None

    charted = result.chart_a is not None or not _is_paired(result)

    return _pair(a, b, _is_paired(result), result.symmetries != 0, charted)


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
    difference = source - target

    if periods is not None:
        difference = difference - np.round(difference @ np.linalg.pinv(periods)) @ periods

    return Links(np.arange(len(source)), np.linalg.norm(difference, axis=1))


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


def _pair(a: DrawnChart, b: DrawnChart, paired: bool, registered: bool, charted: bool) -> DrawnPair:
    aligned = registered and a.dimension == b.dimension

    if aligned:
        common = common_periods(a.periods, b.periods)
        a, b = (
            DrawnChart("A", a.index, a.coordinates, common),
            DrawnChart("B", b.index, b.coordinates, common),
        )

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

    return DrawnPair(a, b, paired, aligned, charted, links)


def _only(side: DrawnChart, index: NDArray[np.int64]) -> DrawnChart:
    kept = np.isin(side.index, index)

    return DrawnChart(side.name, side.index[kept], side.coordinates[kept], side.periods)


def _paired(source: DrawnChart, target: DrawnChart, aligned: bool) -> Links:
    if not aligned:
        return Links(np.arange(len(source.index)), None)

    return paired_links(source.coordinates, target.coordinates, source.periods)

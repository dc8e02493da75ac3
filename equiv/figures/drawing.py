r"""Where the points of a chart are drawn, and in which colours: shared by the figures and the report.

Every colour here keeps its meaning for readers who confuse red with green: A and B differ in the blue-yellow
direction and in lightness, and so do neighbouring regions of a chart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "as_array",
    "chart_colours",
    "chart_positions",
    "common_periods",
    "into_drawn_cell",
]

Array = NDArray[np.float64]

# A, B, and what they are compared with (Okabe and Ito).
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREY = "#6e6e6e"

# Oklab to the cube roots of the cones' responses.
# [dimensionless; derived: the inverse of the second matrix of Ottosson (2020), bottosson.github.io/posts/oklab]
_FROM_OKLAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)

# The cones' responses to linear sRGB.
# [dimensionless; derived: the inverse of the first matrix of Ottosson (2020)]
_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def as_array(value: object, name: str, ndim: int) -> Array:
    r"""A tensor (on any device), array or nested list as a float64 NumPy array with `ndim` axes.

    Raises:
        ValueError: If it has another number of axes.
    """
    detached = value.detach().cpu() if hasattr(value, "detach") else value
    array = np.asarray(detached, dtype=np.float64)

    if array.ndim != ndim:
        raise ValueError(f"'{name}' should have {ndim} axes, got shape {array.shape}; reshape it.")

    return array


def into_drawn_cell(coordinates: Array, periods: Array | None) -> Array:
    r"""Coordinates `(n, m)` brought into the cell that the `periods` `(p, m)` span."""
    if periods is None or len(periods) == 0:
        return coordinates

    return coordinates - np.floor(coordinates @ np.linalg.pinv(periods)) @ periods


def common_periods(periods_a: Array | None, periods_b: Array | None) -> Array | None:
    r"""The periods under which a place in A's chart and its image in B's are the same.

    Where one chart is closed and the other is not, or one covers the other several times, these are the
    periods of the one that is wrapped the more: more of them, then the shorter ones.
    """
    given = [p for p in (periods_a, periods_b) if p is not None and len(p) > 0]

    return min(given, key=lambda p: (-len(p), np.linalg.norm(p))) if given else None


def chart_positions(coordinates: Array, periods: Array | None = None) -> Array:
    r"""Positions `(n, 2)` or `(n, 3)` at which the points of a chart are drawn.

    A closed line is drawn as a ring of radius 1, an open one as a narrow band whose height means nothing; a
    cylinder or torus unrolled in its cell. Of more than three coordinates the first three are drawn.

    Arguments:
        coordinates: Chart coordinates, shape `(n, m)`.
        periods: Lattice vectors modulo which they are meant, shape `(p, m)`, or None.
    """
    n, m = coordinates.shape

    if m == 1 and periods is not None and len(periods) > 0:
        angle = 2 * np.pi * coordinates[:, 0] / np.abs(periods[0, 0])
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    if m == 1:
        spread = np.ptp(coordinates) if n else 0.0
        # The golden ratio's multiples fill the band evenly, whatever the order of the points.
        band = (np.arange(n) * 0.6180339887498949) % 1.0 - 0.5
        return np.stack([coordinates[:, 0], 0.12 * spread * band], axis=1)

    return into_drawn_cell(coordinates, periods)[:, :3]


def chart_colours(coordinates: Array, periods: Array | None = None, like: Array | None = None) -> Array:
    r"""Colours `(n, 3)` in `[0, 1]` by which a place in one chart is found again in another.

    Lightness and the blue-yellow axis of Oklab (Ottosson, 2020) run with the first two coordinates, and
    around closed directions as cosine and sine.

    Arguments:
        coordinates: Chart coordinates, shape `(n, m)`.
        periods: Lattice vectors modulo which they are meant, shape `(p, m)`, or None.
        like: Coordinates `(q, m)` whose range fixes the colours for both charts; None is `coordinates`.
    """
    m = coordinates.shape[1]
    scale = coordinates if like is None else like
    low, high = scale.min(axis=0), scale.max(axis=0)
    unit = 2 * (coordinates - low) / np.where(high > low, high - low, 1.0) - 1  # [-1, 1]

    if periods is not None and len(periods) > 0:
        phase = 2 * np.pi * coordinates @ np.linalg.pinv(periods)
        x, y = np.cos(phase[:, 0]), np.sin(phase[:, 0])
        z = np.cos(phase[:, 1]) if len(periods) > 1 else unit[:, -1] if m > 1 else np.zeros_like(x)
    else:
        x, y = unit[:, 0], unit[:, 1] if m > 1 else unit[:, 0]
        z = unit[:, 2] if m > 2 else np.zeros_like(x)

    lab = np.stack([0.62 + 0.17 * y, 0.045 * x + 0.06 * z, -0.015 + 0.135 * x], axis=1)
    linear = np.clip((lab @ _FROM_OKLAB.T) ** 3 @ _FROM_LMS.T, 0.0, 1.0)

    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)

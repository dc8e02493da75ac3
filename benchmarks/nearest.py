r"""The true error of an unpaired transformation: to the nearest of the maps that the geometry cannot tell apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from geometries import Geometry
from spaces import Space
from torch import Tensor
from unpaired_cases import relative

from equiv.comparison import Comparison

__all__ = ["moved_error", "nearest_error", "shadows"]

FRESH = 5000
# Fresh inputs by which parameters of an isometry are found.
FEW = slice(0, 300)
# Directions of the plane, and the share by which widths of a region may differ to count as the same.
DIRECTIONS = 3600
SAME_WIDTH = 0.005


def nearest_error(geometry: Geometry, result: Comparison, back: bool) -> float:
    r"""True error on fresh inputs, to the nearest of the isometries, or projections, that are equally good.

    Where the target sees fewer inputs, it takes the first of those it is given.
    """
    source, target = geometry.exchanged.networks if back else geometry.networks
    space = geometry.spaces[0]
    T = result.transformation.inverse if back else result.transformation
    x = space.sample(FRESH, torch.Generator().manual_seed(10**6))
    found = T(source(x))

    if geometry.anchors:
        return relative(found, target(x))

    best = min(moved_error(space, matrix, x, found, target) for matrix in space.matrices)

    if geometry.relation != "equivalent" and space.dimension == 2 and not any(space.periodic):
        best = min([best, *(relative(found, target(image)) for image in shadows(space, x))])

    return best


def moved_error(space: Space, matrix: Tensor, x: Tensor, found: Tensor, target: Any) -> float:
    r"""The least error over the shifts and turns of a space, after one of its matrices."""
    from scipy.optimize import minimize

    def error(parameters: Any, some: slice = FEW) -> float:
        image = space.moved(x[some], matrix, [float(p) for p in parameters])
        return relative(found[some], target(image))

    steps = {0: 1, 1: 40, 2: 24}[space.freedoms]
    grid = itertools.product(*[[k / steps for k in range(steps)]] * space.freedoms)
    start = min(grid, key=error)

    if space.freedoms:
        options = {"xatol": 1e-11, "fatol": 1e-11, "initial_simplex": _simplex(start, 0.5 / steps)}
        start = minimize(error, start, method="Nelder-Mead", options=options).x

    return error(start, slice(None))


def _simplex(start: tuple[float, ...], step: float) -> list[list[float]]:
    return [list(start)] + [[p + step * (k == i) for k, p in enumerate(start)] for i in range(len(start))]


def shadows(space: Space, x: Tensor) -> Iterator[Tensor]:
    r"""Images of inputs, `(n, 1)`, under all projections of a planar region onto its extent along the first axis."""
    assert space.corners is not None
    angle = math.pi * torch.arange(2 * DIRECTIONS, dtype=torch.float64) / DIRECTIONS
    rows = torch.stack([angle.cos(), angle.sin()], dim=1)
    heights = space.corners @ rows.T  # (corners, directions)
    low, high = heights.amin(dim=0), heights.amax(dim=0)
    gap = (high - low) / (high - low)[0] - 1
    crossed = gap * gap.roll(1) < 0

    for k in ((gap.abs() <= SAME_WIDTH) | crossed).nonzero().flatten().tolist():
        yield (x @ rows[k] - (low[k] + high[k]) / 2 + (low[0] + high[0]) / 2)[:, None]

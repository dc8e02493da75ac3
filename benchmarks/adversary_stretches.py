r"""Boxes, intervals, circles and cylinders against themselves and against stretched ones, with every set of anchors.

A stretch by a share s changes lengths by s: no isometry is left, and the nearest one misses the stretched space by
about s times the share of the stretched axis in the spread. From s = 0.08 sqrt(m) on that is above the tolerance:
"no". Below, whatever keeps its promise on fresh points is right: "open". The true error is that of T against the
affine map, or the nearest of those that a symmetry of the box makes of it.
"""

from __future__ import annotations

import math

import torch
from adversary_sides import Unpaired, flat
from adversary_truth import ALWAYS, NEVER, OPEN, no, yes
from families import Draw
from spaces import box, rescaled, square
from torch import Tensor

__all__ = ["STRETCHES"]


def _inside(draw: Draw, sides: list[float], count: int, held: tuple[int, ...] = ()) -> Tensor:
    r"""Points of a box, `(count, m)`; along the axes `held` all in one place."""
    x = torch.rand(count, len(sides), generator=draw.generator, dtype=torch.float64)
    for axis in held:
        x[:, axis] = x[0, axis]

    return x * torch.tensor(sides, dtype=torch.float64)


def _stretched(
    draw: Draw,
    sides: list[float],
    samples: int,
    anchors: Tensor | None = None,
    owed: str = ALWAYS,
    fixed: bool = False,
    axis: int = 0,
    periodic: tuple[bool, ...] | None = None,
    most: float = 0.2,
) -> Unpaired:
    stretch, m = draw.uniform(0.02, most), len(sides)
    factors = torch.ones(m, dtype=torch.float64)
    factors[axis] = 1 + stretch
    space = square() if sides == [1.0, 1.0] else box(*sides, periodic=periodic)
    truth = no(0.05, owed) if stretch >= 0.08 * math.sqrt(m) else OPEN

    return flat(
        draw,
        (space, rescaled(space, factors)),
        samples,
        (truth, truth),
        anchors,
        fixed,
        lambda x: x * factors,
        lambda y: y / factors,
    )


def _isometric(
    draw: Draw,
    sides: list[float],
    samples: int,
    anchors: Tensor | None = None,
    owed: str = ALWAYS,
    fixed: bool = False,
    periodic: tuple[bool, ...] | None = None,
) -> Unpaired:
    space = square() if sides == [1.0, 1.0] else box(*sides, periodic=periodic)

    return flat(draw, (space, space), samples, (yes(None, owed), yes(None, owed)), anchors, fixed)


def _rectangle(draw: Draw) -> list[float]:
    return [draw.uniform(1.2, 1.7), 1.0]


def _box(draw: Draw) -> list[float]:
    return [draw.uniform(1.5, 1.8), draw.uniform(1.1, 1.3), 0.9]


def interval_stretched(draw: Draw) -> Unpaired:
    return _stretched(draw, [draw.uniform(0.8, 2.0)], draw.integer(200, 400))


def interval_stretched_one_anchor(draw: Draw) -> Unpaired:
    sides = [draw.uniform(0.8, 2.0)]

    return _stretched(draw, sides, draw.integer(200, 400), _inside(draw, sides, 1))


def interval_stretched_three_anchors(draw: Draw) -> Unpaired:
    sides = [draw.uniform(0.8, 2.0)]

    return _stretched(draw, sides, draw.integer(200, 400), _inside(draw, sides, 3), fixed=True)


def square_stretched(draw: Draw) -> Unpaired:
    return _stretched(draw, [1.0, 1.0], draw.integer(300, 500))


def rectangle_stretched_one_anchor(draw: Draw) -> Unpaired:
    sides = _rectangle(draw)

    return _stretched(draw, sides, draw.integer(300, 500), _inside(draw, sides, 1))


def rectangle_stretched_in_line(draw: Draw) -> Unpaired:
    r"""Three to five anchors in line across the stretch."""
    sides = _rectangle(draw)

    return _stretched(draw, sides, draw.integer(300, 500), _inside(draw, sides, draw.integer(3, 5), (0,)))


def rectangle_stretched_generic(draw: Draw) -> Unpaired:
    sides = _rectangle(draw)

    return _stretched(draw, sides, draw.integer(300, 500), _inside(draw, sides, 5), fixed=True)


def box_stretched(draw: Draw) -> Unpaired:
    return _stretched(draw, _box(draw), draw.integer(300, 400), owed=NEVER)


def box_stretched_coplanar(draw: Draw) -> Unpaired:
    r"""Five anchors in a plane across the stretch."""
    sides = _box(draw)

    return _stretched(draw, sides, draw.integer(400, 600), _inside(draw, sides, 5, (0,)), NEVER)


def box_stretched_generic(draw: Draw) -> Unpaired:
    sides = _box(draw)

    return _stretched(draw, sides, draw.integer(400, 600), _inside(draw, sides, 6), fixed=True)


def circle_longer(draw: Draw) -> Unpaired:
    return _stretched(draw, [draw.uniform(3.0, 8.0)], draw.integer(200, 400), periodic=(True,))


def cylinder_higher(draw: Draw) -> Unpaired:
    sides = [draw.uniform(2.5, 3.5), draw.uniform(1.5, 2.5)]

    return _stretched(draw, sides, draw.integer(300, 500), axis=1, periodic=(True, False), most=0.25)


def cylinder_higher_one_circle(draw: Draw) -> Unpaired:
    r"""Four anchors at one height say nothing about the height."""
    sides = [draw.uniform(2.5, 3.5), draw.uniform(1.5, 2.5)]
    anchors = _inside(draw, sides, 4, (1,))

    return _stretched(draw, sides, draw.integer(300, 500), anchors, axis=1, periodic=(True, False), most=0.25)


def interval_same(draw: Draw) -> Unpaired:
    sides = [draw.uniform(0.8, 2.0)]
    anchors = _inside(draw, sides, 1) if draw.integer(0, 1) else None

    return _isometric(draw, sides, draw.integer(200, 400), anchors)


def square_same(draw: Draw) -> Unpaired:
    r"""Nothing but the outline tells how large it is: too few samples to be sure of within the tolerance."""
    return _isometric(draw, [1.0, 1.0], draw.integer(300, 500), owed=NEVER)


def rectangle_same_in_line(draw: Draw) -> Unpaired:
    sides = _rectangle(draw)

    return _isometric(draw, sides, draw.integer(300, 500), _inside(draw, sides, 4, (0,)), NEVER)


def rectangle_same_generic(draw: Draw) -> Unpaired:
    sides = _rectangle(draw)

    return _isometric(draw, sides, draw.integer(300, 500), _inside(draw, sides, 5), fixed=True)


def box_same_coplanar(draw: Draw) -> Unpaired:
    sides = _box(draw)

    return _isometric(draw, sides, draw.integer(400, 600), _inside(draw, sides, 5, (0,)), NEVER)


def box_same_generic(draw: Draw) -> Unpaired:
    sides = _box(draw)

    return _isometric(draw, sides, draw.integer(400, 600), _inside(draw, sides, 6), fixed=True)


def circle_same(draw: Draw) -> Unpaired:
    return _isometric(draw, [draw.uniform(3.0, 8.0)], draw.integer(200, 400), periodic=(True,))


STRETCHES = (
    interval_stretched, interval_stretched_one_anchor, interval_stretched_three_anchors, square_stretched,
    rectangle_stretched_one_anchor, rectangle_stretched_in_line, rectangle_stretched_generic, box_stretched,
    box_stretched_coplanar, box_stretched_generic, circle_longer, cylinder_higher, cylinder_higher_one_circle,
    interval_same, square_same, rectangle_same_in_line, rectangle_same_generic, box_same_coplanar,
    box_same_generic, circle_same,
)  # fmt: skip

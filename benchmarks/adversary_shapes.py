r"""Plane regions that are nearly symmetric, holed, cut, unevenly sampled, or given wrong anchors.

"No" where a number that every isometry keeps differs: holes, pieces of the boundary, widths. "Yes" where both sides
see one region; there the right map is the identity, or one of the region's own isometries. "Open" where they differ
in a few percent of the inputs: a map that holds on the others is right, and so is who notices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from adversary_sides import Unpaired, flat
from adversary_truth import NEVER, OPEN, Truth, no, yes
from families import Draw
from spaces import SPACES, Space, box, disc, square
from torch import Tensor

__all__ = ["SHAPES"]

NOT_SURE = (yes(None, NEVER), yes(None, NEVER))
SURE = (yes(None), yes(None))


def _cut(space: Space, kept: Callable[[Tensor], Tensor]) -> Space:
    r"""Part of a region, without its symmetries."""
    inside = space.inside
    held = kept if inside is None else (lambda x: kept(x) & inside(x))

    return replace(space, inside=held, matrices=space.matrices[:1], turns=False, corners=None)


def _both(truth: Truth) -> tuple[Truth, Truth]:
    return truth, truth


def _asymmetric(draw: Draw) -> Space:
    return SPACES[("quadrilateral", "l_shape")[draw.integer(0, 1)]](draw)


def _l_shape(first: float, second: float) -> Space:
    r"""Arms of these lengths, 0.5 wide."""
    return _cut(box(first, second), lambda x: (x[:, 0] < 0.5) | (x[:, 1] < 0.5))


def l_nearly_symmetric(draw: Draw) -> Unpaired:
    r"""An L whose arms differ by 1 to 8 %, the same on both sides: the mirror image nearly fits."""
    space = _l_shape(1.2, 1.2 * (1 + draw.uniform(0.01, 0.08)))
    case = flat(draw, (space, space), draw.integer(300, 500), NOT_SURE)

    return replace(case, twins=(lambda x: x.flip(-1),))


def l_longer_arm(draw: Draw) -> Unpaired:
    r"""One arm is longer by 25 to 50 %: an isometry keeps the lengths of the sides."""
    spaces = _l_shape(1.2, 1.2), _l_shape(1.2, 1.2 * draw.uniform(1.25, 1.5))

    return flat(draw, spaces, draw.integer(300, 500), _both(no(0.1)), there=None)


def _notched(size: float) -> Space:
    return _cut(box(1.0, 1.0), lambda x: (x[:, 0] > size) | (x[:, 1] > 0.6 * size))


def notch_same(draw: Draw) -> Unpaired:
    r"""A square with a small notch in one corner: of eight maps that nearly fit, one does."""
    space = _notched(draw.uniform(0.12, 0.3))
    case = flat(draw, (space, space), draw.integer(300, 500), NOT_SURE)
    whole = square()

    return replace(case, twins=tuple(lambda x, m=m: whole.moved(x, m, []) for m in whole.matrices))


def notch_against_square(draw: Draw) -> Unpaired:
    r"""The notch, a corner of 1 to 5 % of the square, is all that differs: on the other inputs the identity holds."""
    spaces = square(), _notched(draw.uniform(0.15, 0.3))

    return flat(draw, spaces, draw.integer(300, 500), _both(OPEN))


def _holed(middle: Tensor, radius: float) -> Space:
    return _cut(box(1.6, 1.2), lambda x: (x - middle).norm(dim=1) > radius)


def _middle(draw: Draw) -> Tensor:
    return torch.tensor([draw.uniform(0.5, 1.1), draw.uniform(0.45, 0.75)], dtype=torch.float64)


def hole_large(draw: Draw) -> Unpaired:
    r"""A hole of radius 0.22 to 0.35 in one of two rectangles: another topology, seen by 40 samples or more."""
    spaces = box(1.6, 1.2), _holed(_middle(draw), draw.uniform(0.22, 0.35))

    return flat(draw, spaces, draw.integer(400, 600), _both(no(0.05)), there=None)


def hole_small(draw: Draw) -> Unpaired:
    r"""A hole of less than 3 % of the rectangle, that few samples, or none, would have shown."""
    spaces = box(1.6, 1.2), _holed(_middle(draw), draw.uniform(0.02, 0.12))

    return flat(draw, spaces, draw.integer(300, 500), _both(OPEN))


def hole_moved(draw: Draw) -> Unpaired:
    r"""Both have a hole, at other places: no isometry of the rectangle carries the one to the other."""
    radius = draw.uniform(0.2, 0.25)
    places = [torch.tensor([x, 0.6], dtype=torch.float64) for x in (0.8, draw.uniform(0.4, 0.55))]
    spaces = tuple(_holed(place, radius) for place in places)

    return flat(draw, spaces, draw.integer(400, 600), _both(no(0.05)), there=None)


def ring_cut(draw: Draw) -> Unpaired:
    ring, width = disc(1.0, draw.uniform(0.4, 0.6)), draw.uniform(0.2, 0.3)
    cut = _cut(ring, lambda x: (x[:, 1].abs() > width) | (x[:, 0] < 0))

    return flat(draw, (ring, cut), draw.integer(400, 600), _both(no(0.05)), there=None)


def slit(draw: Draw) -> Unpaired:
    r"""A slit, narrower than the gaps between samples, across half of the rectangle."""
    width, square = draw.uniform(0.005, 0.05), box(1.6, 1.2)
    spaces = square, _cut(square, lambda x: ((x[:, 0] - 0.8).abs() > width) | (x[:, 1] > 0.6))

    return flat(draw, spaces, draw.integer(300, 500), _both(OPEN))


def _anchors(draw: Draw, space: Space, count: int) -> Tensor:
    return space.sample(count, draw.generator)


def density_uneven(draw: Draw) -> Unpaired:
    r"""One region, on one side up to 8 times as dense at one end."""
    space, steepness = _asymmetric(draw), draw.uniform(0.7, 2.0)
    anchors = _anchors(draw, space, 5) if draw.integer(0, 1) else None

    def uneven(x: Tensor) -> Tensor:
        return torch.exp(-steepness * (x[:, 0] - space.low[0]) / (space.high - space.low)[0])

    return flat(
        draw, (space, space), draw.integer(300, 500), NOT_SURE, anchors, anchors is not None,
        densities=(None, uneven),
    )  # fmt: skip


def _vanishing(draw: Draw, space: Space, samples: int) -> Unpaired:
    r"""The density goes to zero as the distance to one end, to both ends, or its square: the edge is hardly seen."""
    power, both = draw.integer(1, 2), bool(draw.integer(0, 1))

    def thin(x: Tensor) -> Tensor:
        unit = (x[:, 0] - space.low[0]) / (space.high - space.low)[0]
        return (4 * unit * (1 - unit) if both else unit).clamp(0, 1) ** power

    return flat(draw, (space, space), samples, NOT_SURE, densities=(None, thin))


def density_vanishes_interval(draw: Draw) -> Unpaired:
    return _vanishing(draw, box(draw.uniform(0.8, 2.0)), draw.integer(200, 400))


def density_vanishes_rectangle(draw: Draw) -> Unpaired:
    return _vanishing(draw, box(draw.uniform(1.2, 1.7), 1.0), draw.integer(300, 500))


def density_gaussian(draw: Draw) -> Unpaired:
    r"""Both sides Gaussian about the middle of a long interval: neither end is ever seen."""
    space, width = box(8.0), draw.uniform(0.6, 0.9)

    def bell(x: Tensor) -> Tensor:
        return torch.exp(-0.5 * ((x[:, 0] - 4) / width).square())

    return flat(draw, (space, space), draw.integer(200, 400), NOT_SURE, densities=(bell, bell))


def wrong_anchor(draw: Draw) -> Unpaired:
    r"""One of six to eight anchors names another point: the others and the outline contradict it."""
    space = _asymmetric(draw)
    anchors = _anchors(draw, space, draw.integer(6, 8))

    return replace(flat(draw, (space, space), draw.integer(300, 500), SURE, anchors, True), wrong=1)


def wrong_anchors_most(draw: Draw) -> Unpaired:
    r"""Most anchors are wrong: bad anchors, not another space."""
    space = _asymmetric(draw)
    anchors = _anchors(draw, space, 6)

    return replace(flat(draw, (space, space), draw.integer(300, 500), NOT_SURE, anchors, True), wrong=5)


def copies_of_rows(draw: Draw) -> Unpaired:
    r"""Each sample two or three times: what they show is what one of each shows."""
    space = _asymmetric(draw)
    case = flat(draw, (space, space), draw.integer(200, 250), SURE, _anchors(draw, space, 5), True)

    return replace(case, copies=draw.integer(2, 3))


def interval_against_circle(draw: Draw) -> Unpaired:
    r"""The interval is too short to be laid around the circle: it covers a part, of which a map may be right."""
    length = draw.uniform(3.0, 6.0)
    spaces = box(length * draw.uniform(0.6, 0.9)), box(length, periodic=(True,))

    return flat(draw, spaces, draw.integer(200, 400), (OPEN, no(0.05, NEVER)), there=None)


def ring_against_cylinder(draw: Draw) -> Unpaired:
    r"""Both flat, with two ends around: those of the ring are of other lengths, those of the cylinder are equal."""
    hole = draw.uniform(0.4, 0.6)
    around, tall = math.pi * (1 + hole), 1 - hole
    spaces = disc(1.0, hole), box(around, tall, periodic=(True, False))

    return flat(draw, spaces, draw.integer(400, 600), _both(no(0.05)), there=None)


SHAPES = (
    l_nearly_symmetric, l_longer_arm, notch_same, notch_against_square, hole_large, hole_small, hole_moved, ring_cut,
    slit, density_uneven, density_vanishes_interval, density_vanishes_rectangle, density_gaussian, wrong_anchor,
    wrong_anchors_most, copies_of_rows, interval_against_circle, ring_against_cylinder,
)  # fmt: skip

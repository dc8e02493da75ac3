r"""Unpaired: other radii, tori of one area, a cone and a cylinder, shears, and projections with anchors in line."""

from __future__ import annotations

import math

import torch
from adversary_manifolds import coordinate_space
from adversary_sides import Side, Unpaired, flat, seen
from adversary_truth import NEVER, no, yes
from families import Draw
from spaces import box, disc, rescaled
from torch import Tensor

__all__ = ["REGIONS"]


def annuli_of_one_width(draw: Draw) -> Unpaired:
    r"""Both radii are larger by 0.15 to 0.4: other lengths of the two rims."""
    hole, more = draw.uniform(0.3, 0.7), draw.uniform(0.15, 0.4)
    truth = no(0.05, NEVER)

    return flat(
        draw,
        (disc(1.0, hole), disc(1.0 + more, hole + more)),
        draw.integer(300, 600),
        (truth, truth),
        there=None,
    )


def tori_of_one_area(draw: Draw) -> Unpaired:
    r"""Sides a, b and a s, b / s, a the longer: the shortest loop of the one is by a sixth to a third shorter."""
    a, b, s = draw.uniform(3.2, 3.6), draw.uniform(2.8, 3.1), draw.uniform(1.2, 1.5)
    spaces = [box(a * k, b / k, periodic=(True, True)) for k in (1.0, s)]
    truth = no(0.05, NEVER)

    return flat(draw, (spaces[0], spaces[1]), 600, (truth, truth), there=None)


def cone_against_cylinder(draw: Draw) -> Unpaired:
    r"""Both flat, of one height and area; the rims of the cone are of other lengths than those of the cylinder."""
    angle, low, tall = draw.uniform(2.0, 5.5), draw.uniform(0.5, 1.2), draw.uniform(0.6, 1.4)
    k = angle / math.tau

    def parts(x: Tensor) -> Tensor:
        r, turn = x[..., :1], x[..., 1:]
        return torch.cat([k * r * turn.cos(), k * r * turn.sin(), math.sqrt(1 - k**2) * r], dim=-1)

    def metric(x: Tensor) -> Tensor:
        return torch.diag_embed(1 / torch.stack([torch.ones_like(x[:, 0]), k * x[:, 0]], dim=1))

    cone = coordinate_space(draw, (low, 0.0), (low + tall, math.tau), parts, metric)
    cylinder = seen(draw, box(angle * (low + tall / 2), tall, periodic=(True, False)))
    truth = no(0.05, NEVER)

    return Unpaired(cone, cylinder, draw.integer(250, 500), truth, truth, there=None)


def anchors_clustered(draw: Draw) -> Unpaired:
    r"""A rectangle stretched by 15 to 30 %, or not at all; six anchors within 1 to 10 % of its size."""
    space, size = box(draw.uniform(1.3, 1.8), 1.0), 10 ** draw.uniform(-2, -1)
    stretch = draw.integer(0, 1) * draw.uniform(0.15, 0.3)
    factors = torch.tensor([1 + stretch, 1.0], dtype=torch.float64)
    anchors = 0.2 + 0.6 * torch.rand(2, generator=draw.generator, dtype=torch.float64)
    anchors = anchors + size * torch.rand(6, 2, generator=draw.generator, dtype=torch.float64)
    truth = no(0.05, NEVER) if stretch else yes(None, NEVER)

    return flat(
        draw,
        (space, rescaled(space, factors)),
        draw.integer(300, 500),
        (truth, truth),
        anchors,
        False,
        lambda x: x * factors,
        lambda y: y / factors,
    )


def projection_anchors_in_line(draw: Draw) -> Unpaired:
    r"""B sees a generic projection of a box, on a plane or a line; five anchors in line leave turns about it open.

    Given B what it does not see is as wide as ever: no map back.
    """
    space, k = box(1.6, 1.2, 0.8), draw.integer(1, 2)
    axes = torch.linalg.qr(draw.normal(3, 3))[0][:, :k]
    shadow = seen(draw, box(*[1.0] * k)).network
    ends = space.sample(2, draw.generator)
    along = torch.rand(5, 1, generator=draw.generator, dtype=torch.float64)

    return Unpaired(
        seen(draw, space),
        Side(space.sample, lambda x: shadow(x @ axes)),
        draw.integer(300, 600),
        yes(None, NEVER),
        no(0.05, NEVER),
        back=None,
        anchors=ends[:1] + along * (ends[1:] - ends[:1]),
    )


REGIONS = (
    annuli_of_one_width, tori_of_one_area, cone_against_cylinder, anchors_clustered, projection_anchors_in_line,
)  # fmt: skip

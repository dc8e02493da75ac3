r"""Closed, twisted and curved spaces, projections and coverings, and networks with kinks, without pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from adversary_sides import Side, Unpaired, embedded, flat, same, seen
from adversary_truth import ALWAYS, NEVER, Truth, no, yes
from families import Draw, Network
from spaces import box, rescaled
from torch import Tensor

__all__ = ["MANIFOLDS", "coordinate_space"]

Parts = Callable[[Tensor], Tensor]


def coordinate_space(
    draw: Draw, low: tuple[float, ...], high: tuple[float, ...], parts: Parts, metric: Network | None = None
) -> Side:
    r"""A box of coordinates seen by a network of `parts`, which join its sides as they are joined in the space."""
    least, size = (
        torch.tensor(low, dtype=torch.float64),
        torch.tensor(high, dtype=torch.float64) - torch.tensor(low),
    )
    network = embedded(draw, parts(least[None]).shape[1])

    def sample(n: int, g: torch.Generator) -> Tensor:
        return least + size * torch.rand(n, len(least), generator=g, dtype=torch.float64)

    return Side(sample, lambda x: network(parts(x)), metric)


def _twisted(around: float, closed: float | None) -> Parts:
    r"""(u + around, -v) is (u, v): a Moebius strip; with a period `closed` of v a Klein bottle."""

    def parts(x: Tensor) -> Tensor:
        angle = math.pi * x[..., :1] / around
        v = x[..., 1:] if closed is None else closed / math.tau * (math.tau * x[..., 1:] / closed).sin()
        loop = around / math.tau * torch.cat([(2 * angle).cos(), (2 * angle).sin()], dim=-1)
        even = [] if closed is None else [closed / math.tau * (math.tau * x[..., 1:] / closed).cos()]
        return torch.cat([loop, v * angle.cos(), v * angle.sin(), *even], dim=-1)

    return parts


def moebius(draw: Draw, around: float, wide: float) -> Side:
    return coordinate_space(draw, (0.0, -wide / 2), (around, wide / 2), _twisted(around, None))


def klein(draw: Draw, around: float, closed: float) -> Side:
    return coordinate_space(draw, (0.0, 0.0), (around, closed), _twisted(around, closed))


def _anchored(draw: Draw, a: Side, b: Side, samples: int, owed: str) -> Unpaired:
    r"""One space on both sides, six generic anchors: the identity of its coordinates is the map."""
    return Unpaired(a, b, samples, yes(None, owed), yes(None, owed), anchors=a.sample(6, draw.generator))


def _apart(a: Side, b: Side, samples: int, owed: str = ALWAYS) -> Unpaired:
    return Unpaired(a, b, samples, no(0.05, owed), no(0.05, owed), there=None)


def _bands(draw: Draw) -> tuple[float, float]:
    return draw.uniform(4.0, 6.0), draw.uniform(0.8, 1.4)


def moebius_same(draw: Draw) -> Unpaired:
    around, wide = _bands(draw)

    return _anchored(draw, *[moebius(draw, around, wide) for _ in range(2)], draw.integer(200, 250), NEVER)


def moebius_against_cylinder(draw: Draw) -> Unpaired:
    r"""One is orientable, the other is not."""
    around, wide = _bands(draw)
    cylinder = seen(draw, box(around, wide, periodic=(True, False)))

    return _apart(moebius(draw, around, wide), cylinder, draw.integer(200, 250), NEVER)


def klein_same(draw: Draw) -> Unpaired:
    sides = [klein(draw, 4.0, 3.0) for _ in range(2)]

    return _anchored(draw, *sides, draw.integer(220, 260), NEVER)


def klein_against_torus(draw: Draw) -> Unpaired:
    return _apart(
        klein(draw, 4.0, 3.0), seen(draw, box(4.0, 3.0, periodic=(True, True))), draw.integer(220, 260), NEVER
    )


def _torus(draw: Draw, first: float, second: float, shear: float) -> Side:
    r"""The plane modulo (first, 0) and (shear, second), in shares of these two; frames in units of length."""
    basis = torch.tensor([[first, shear], [0.0, second]], dtype=torch.float64)
    inverse = torch.linalg.inv(basis)

    def parts(x: Tensor) -> Tensor:
        angle = math.tau * x
        return torch.cat([angle.cos(), angle.sin()], dim=-1) * (first / math.tau)

    return coordinate_space(draw, (0.0, 0.0), (1.0, 1.0), parts, lambda x: inverse.expand(len(x), 2, 2))


def torus_same(draw: Draw) -> Unpaired:
    first, second, shear = draw.uniform(3.4, 4.2), draw.uniform(2.6, 3.2), draw.uniform(0.0, 1.5)

    return _anchored(draw, *[_torus(draw, first, second, shear) for _ in range(2)], 600, ALWAYS)


def torus_other_lattice(draw: Draw) -> Unpaired:
    r"""One area, other loops: the shortest is 2.6 long, or from 2.86 to 3.1."""
    sides = [_torus(draw, 3.4, 2.6, shear) for shear in (0.0, draw.uniform(1.2, 1.7))]

    return _apart(*sides, 600)


def spheroid_coordinates(across: float, along: float) -> tuple[Parts, Network]:
    r"""From (z, angle), z from -1 to 1, to space, and to an orthonormal frame; the poles have none."""

    def parts(x: Tensor) -> Tensor:
        z, angle = x[..., :1], x[..., 1:]
        rim = across * (1 - z.square()).sqrt()
        return torch.cat([rim * angle.cos(), rim * angle.sin(), along * z], dim=-1)

    def metric(x: Tensor) -> Tensor:
        rest = 1 - x[:, 0].square()
        lengths = [(along**2 + across**2 * x[:, 0].square() / rest).sqrt(), across * rest.sqrt()]
        return torch.diag_embed(1 / torch.stack(lengths, dim=1))

    return parts, metric


def _spheroid(draw: Draw, across: float, along: float) -> Side:
    r"""Uniform in z and angle, on a sphere uniform in area; without the poles."""
    return coordinate_space(draw, (-0.9999, 0.0), (0.9999, math.tau), *spheroid_coordinates(across, along))


def sphere_same(draw: Draw) -> Unpaired:
    sides = [_spheroid(draw, 1.0, 1.0) for _ in range(2)]

    return _anchored(draw, *sides, draw.integer(180, 230), NEVER)


def spheroid_same(draw: Draw) -> Unpaired:
    along = draw.uniform(1.2, 1.7)

    return _anchored(draw, *[_spheroid(draw, 1.0, along) for _ in range(2)], draw.integer(180, 230), NEVER)


def sphere_against_spheroid(draw: Draw) -> Unpaired:
    r"""Of constant curvature, and not."""
    sides = _spheroid(draw, 1.0, 1.0), _spheroid(draw, 1.0, draw.uniform(1.15, 1.7))

    return _apart(*sides, draw.integer(180, 230), NEVER)


def sphere_larger(draw: Draw) -> Unpaired:
    r"""Areas differ by 20 to 70 %."""
    sides = [_spheroid(draw, radius, radius) for radius in (1.0, draw.uniform(1.1, 1.3))]

    return _apart(*sides, draw.integer(180, 230), NEVER)


def _projection(
    draw: Draw, sides: list[float], samples: int, anchors: int, forward: Truth, stretch: float = 1.0
) -> Unpaired:
    r"""B's inputs are A's, all axes but the last stretched; the last one it does not see, its frames lose rank.

    Given B the last axis is uniform as ever: no map back has an error below its share of A's spread.
    """
    m = len(sides) - 1
    factors = torch.tensor([stretch] * m + [1.0], dtype=torch.float64)
    space = box(*sides)
    shadow = seen(draw, box(*[side * stretch for side in sides[:m]])).network
    b = Side(rescaled(space, factors).sample, lambda x: shadow(x[..., :m]))
    known = space.sample(anchors, draw.generator) if anchors else None

    return Unpaired(
        seen(draw, space), b, samples, forward, no(0.05, forward.owed), lambda x: x * factors, None,
        None if anchors else space, known,
    )  # fmt: skip


def projection_to_line(draw: Draw) -> Unpaired:
    r"""A length is all that a shadow on a line can be known by: one number for one unknown explains nothing."""
    return _projection(draw, [draw.uniform(1.3, 2.0), 1.0], draw.integer(300, 500), 0, yes(None, NEVER))


def projection_to_line_anchored(draw: Draw) -> Unpaired:
    return _projection(draw, [draw.uniform(1.3, 2.0), 1.0], draw.integer(300, 500), 6, yes(None))


def projection_to_plane(draw: Draw) -> Unpaired:
    return _projection(draw, [1.6, 1.2, draw.uniform(0.6, 0.9)], draw.integer(400, 600), 7, yes(None))


def projection_stretched(draw: Draw) -> Unpaired:
    r"""The shadow is longer than the box is wide in any direction: no projection that keeps lengths gives it."""
    return _projection(draw, [1.6, 0.4], draw.integer(300, 500), 0, no(0.05, NEVER), draw.uniform(1.15, 1.5))


def _covering(draw: Draw, short: tuple[float, ...], sheets: int, samples: int, owed: str) -> Unpaired:
    r"""A's space goes round B's `sheets` times along the first axis; of B's points nobody knows on which sheet.

    Back, one of `sheets` points of A is as likely as the others: no map is near all of them.
    """
    spaces = [box(short[0] * k, *short[1:], periodic=(True,) * len(short)) for k in (sheets, 1)]

    return flat(draw, (spaces[0], spaces[1]), samples, (yes(None, owed), no(0.3, owed)), back=None)


def covering_circle(draw: Draw) -> Unpaired:
    return _covering(draw, (draw.uniform(2.5, 4.0),), draw.integer(2, 3), draw.integer(200, 400), ALWAYS)


def covering_torus(draw: Draw) -> Unpaired:
    return _covering(draw, (draw.uniform(2.6, 3.0), draw.uniform(3.4, 4.0)), 2, 600, ALWAYS)


def no_covering(draw: Draw) -> Unpaired:
    r"""Circles whose lengths are as 3 to 2: neither covers the other."""
    length = draw.uniform(2.5, 4.0)
    circles = [box(k * length, periodic=(True,)) for k in (1.5, 1.0)]

    return flat(draw, (circles[0], circles[1]), draw.integer(200, 400), (no(0.3), no(0.3)), there=None)


def relu_same(draw: Draw) -> Unpaired:
    r"""Networks with kinks: (x, relu(W x + c)) mixed by an orthogonal matrix, 20 to 40 kinks; generic anchors."""
    space, sides = box(1.5, 1.0), []

    for _ in range(2):
        weight, bias = draw.normal(draw.integer(20, 40), 2), draw.normal(1)
        mixed = torch.linalg.qr(draw.normal(*[2 + len(weight)] * 2))[0]
        sides.append(
            Side(
                space.sample,
                lambda x, w=weight, c=bias, m=mixed: (
                    torch.cat([2 * x, torch.relu(x @ w.T + c)], dim=-1) @ m.T
                ),
            )
        )

    return _anchored(draw, *sides, draw.integer(300, 400), NEVER)


def product_same(draw: Draw) -> Unpaired:
    r"""A circle times an interval, generic anchors."""
    space = box(draw.uniform(3.0, 5.0), draw.uniform(0.8, 1.5), periodic=(True, False))
    anchors = space.sample(5, draw.generator)

    return flat(
        draw, (space, space), draw.integer(400, 600), (yes(None), yes(None)), anchors, True, same, same
    )


MANIFOLDS = (
    moebius_same, moebius_against_cylinder, klein_same, klein_against_torus, torus_same, torus_other_lattice,
    sphere_same, spheroid_same, sphere_against_spheroid, sphere_larger, projection_to_line,
    projection_to_line_anchored, projection_to_plane, projection_stretched, covering_circle, covering_torus,
    no_covering, relu_same, product_same,
)  # fmt: skip

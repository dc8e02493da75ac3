r"""Unpaired pairs with known relation, drawn at random: flat input spaces, and networks that see them.

Both sides are samples of their own, with frames turned at random: nothing but the geometry may leak.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from families import Draw, Network, observe
from spaces import SPACES, Space, box, disc, rescaled, signs
from torch import Tensor

from equiv.observe.observations import Observations

__all__ = ["GEOMETRIES", "Geometry", "draw_geometry"]


@dataclass(frozen=True)
class Geometry:
    r"""Two networks, each on inputs of its own.

    Attributes:
        spaces: A's input space and B's; the hidden inputs of both in the same coordinates where they are one.
        networks: From hidden inputs to activations.
        densities: Of the samples; None for uniform.
        relation: The right verdict: "equivalent", "a_determines_b", "b_determines_a", or "not" for any but
            equivalent.
        anchors: How many points are known to correspond.
    """

    spaces: tuple[Space, Space]
    networks: tuple[Network, Network]
    densities: tuple[Callable[[Tensor], Tensor] | None, Callable[[Tensor], Tensor] | None]
    relation: str
    anchors: int

    @property
    def exchanged(self) -> Geometry:
        mirrored = {"a_determines_b": "b_determines_a", "b_determines_a": "a_determines_b"}

        return Geometry(
            self.spaces[::-1],
            self.networks[::-1],
            self.densities[::-1],
            mirrored.get(self.relation, self.relation),
            self.anchors,
        )

    def observed(
        self, samples: int, generator: torch.Generator
    ) -> tuple[Observations, Observations, Tensor | None]:
        r"""Both sides with their anchors, which are extra samples of both."""
        known = self.spaces[0].sample(self.anchors, generator)
        sides = []

        for space, network, density in zip(self.spaces, self.networks, self.densities, strict=True):
            x = torch.cat([space.sample(samples, generator, density), known[:, : space.dimension]])
            values, frames = observe(network, x)
            m = frames.shape[2]
            turn = torch.linalg.qr(torch.randn(len(x), m, m, generator=generator, dtype=torch.float64))[0]
            sides.append(Observations(values, frames @ turn))

        pairs = torch.stack([samples + torch.arange(self.anchors)] * 2, dim=1) if self.anchors else None

        return sides[0], sides[1], pairs


def _seen(draw: Draw, space: Space) -> Network:
    r"""An embedding network of the space; wide enough for its dimension."""
    network = draw.embedding(space.ambient_dimension)

    return lambda x: network(space.ambient(x))


def _pair(draw: Draw, first: Space, second: Space, relation: str, anchors: int = 0) -> Geometry:
    return Geometry(
        (first, second), (_seen(draw, first), _seen(draw, second)), (None, None), relation, anchors
    )


def _any(draw: Draw, *names: str) -> Space:
    return SPACES[names[draw.integer(0, len(names) - 1)]](draw)


def _anchors(draw: Draw, space: Space) -> int:
    return draw.integer(0, 1) * (space.dimension + 2)


def same(draw: Draw) -> Geometry:
    space = _any(draw, *SPACES)

    return _pair(draw, space, space, "equivalent", _anchors(draw, space))


def density(draw: Draw) -> Geometry:
    r"""One side's samples are up to 25 times as dense in one corner as in the opposite one."""
    found = same(draw)
    space = found.spaces[0]
    direction, steepness = draw.normal(space.dimension), draw.uniform(0.7, 1.6)
    direction = direction / direction.norm()

    def uneven(x: Tensor) -> Tensor:
        unit = (x - space.low) / (space.high - space.low) - 0.5
        # Along periodic axes a period of the sine, so that nothing jumps.
        wave = torch.where(torch.tensor(space.periodic), (2 * math.pi * unit).sin() / 2, unit)
        return torch.exp(steepness * (wave @ direction / direction.abs().sum() * 2 - 1))

    return Geometry(found.spaces, found.networks, (None, uneven), "equivalent", found.anchors)


def stretched(draw: Draw) -> Geometry:
    r"""One axis of the inputs 1.2 to 1.8 times as long, the others as they are or shortened to the same volume.

    Rectangles of 1.3 to 2 by 1 stay longer along their first axis, so that no other side fits by exchange.
    """
    space = _any(draw, *SPACES)
    factor, m = draw.uniform(1.2, 1.8), space.dimension
    factors = torch.ones(m, dtype=torch.float64)

    if m > 1 and draw.integer(0, 1):
        factors = factors * factor ** (-1 / (m - 1))

    factors[0] = factor

    return _pair(draw, space, rescaled(space, factors), "not", 0)


def warped(draw: Draw) -> Geometry:
    r"""The inputs bent: a rectangle against one with a curved axis, in the flat metric of the bent region."""
    space = _any(draw, "rectangle", "quadrilateral", "l_shape", "disc", "box")
    bend, waves = draw.uniform(0.2, 0.45), draw.uniform(0.5, 1.0)
    low, high = space.low.clone(), space.high.clone()
    length = high[0] - low[0]
    low[1], high[1] = low[1] - bend, high[1] + bend
    inside = space.inside

    def straight(x: Tensor) -> Tensor:
        y = x.clone()
        y[:, 1] = x[:, 1] - bend * (2 * math.pi * waves * (x[:, 0] - low[0]) / length).sin()
        return y

    def bent_inside(x: Tensor) -> Tensor:
        y = straight(x)
        held = ((y >= space.low) & (y <= space.high)).all(dim=1)
        return held if inside is None else held & inside(y)

    bent = Space(low, high, bent_inside, space.periodic, space.matrices[:1])

    return _pair(draw, space, bent, "not", 0)


def lost_dimension(draw: Draw) -> Geometry:
    r"""B sees all inputs but the last."""
    space = _any(draw, "rectangle", "quadrilateral", "disc", "box", "cylinder")
    kept = space.dimension - 1
    shadow = Space(space.low[:kept], space.high[:kept], None, space.periodic[:kept], signs(kept))
    inner = _seen(draw, shadow)

    return Geometry(
        (space, space),
        (_seen(draw, space), lambda x: inner(x[..., :kept])),
        (None, None),
        "a_determines_b",
        0,
    )


def topology(draw: Draw) -> Geometry:
    r"""Regions that differ by a hole, or by ends that are joined."""
    kind = draw.integer(0, 5)

    if kind == 0:
        length = draw.uniform(4.0, 8.0)
        return _pair(draw, box(length), box(length * draw.uniform(0.8, 1.2), periodic=(True,)), "not")

    if kind == 1:
        return _pair(draw, disc(1.0, -1.0), disc(1.0, draw.uniform(0.25, 0.7)), "not")

    if kind == 2:
        around, tall = draw.uniform(3.0, 6.0), draw.uniform(0.8, 1.5)
        return _pair(draw, box(around, tall), box(around, tall, periodic=(True, False)), "not")

    if kind == 3:
        around, tall = draw.uniform(4.5, 6.0), draw.uniform(3.0, 4.0)
        return _pair(
            draw, box(around, tall, periodic=(True, False)), box(around, tall, periodic=(True, True)), "not"
        )

    square, width = box(1.6, 1.2), draw.uniform(0.15, 0.3)
    middle = torch.tensor([0.8 + draw.uniform(-0.2, 0.2), 0.6], dtype=torch.float64)

    if kind == 4:
        pierced = Space(
            square.low,
            square.high,
            lambda x: (x - middle).norm(dim=1) > width,
            (False, False),
            square.matrices[:1],
        )
        return _pair(draw, square, pierced, "not")

    # A ring against the ring cut open by a strip.
    hole = draw.uniform(0.4, 0.6)
    ring = disc(1.0, hole)
    cut = Space(
        ring.low,
        ring.high,
        lambda x: ring.inside(x) & ((x[:, 1].abs() > width) | (x[:, 0] < 0)),
        (False, False),
        ring.matrices,
    )

    return _pair(draw, ring, cut, "not")


GEOMETRIES = {f.__name__: f for f in (same, density, stretched, warped, lost_dimension, topology)}


def draw_geometry(family: str, seed: int) -> Geometry:
    r"""A pair of the family, its sides exchanged for odd seeds."""
    found = GEOMETRIES[family](Draw(10**7 + 1000 * seed + list(GEOMETRIES).index(family)))

    return found.exchanged if seed % 2 else found

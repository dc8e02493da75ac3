r"""Flat input spaces drawn at random, with their isometries: what `geometries.py` pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from families import Draw
from torch import Tensor

__all__ = ["SPACES", "Space", "box", "disc", "rescaled", "signs", "square"]

# Points on the rim of a disc.
RIM = 3600


@dataclass(frozen=True)
class Space:
    r"""A flat space: a region of R^m, with circles for periodic axes.

    Attributes:
        low: Corner of the box that holds the region, `(m,)`.
        high: The other corner, `(m,)`; where `periodic`, the period is high - low.
        inside: `(n, m)` to `(n,)` bool; None: the whole box.
        periodic: Which axes are periodic.
        matrices: Linear parts of the isometries of the region about the middle of the box.
        turns: Whether all rotations about the middle are isometries as well.
        corners: Points whose convex hull is that of the region, `(k, m)`; None where nobody asks.
    """

    low: Tensor
    high: Tensor
    inside: Callable[[Tensor], Tensor] | None
    periodic: tuple[bool, ...]
    matrices: tuple[Tensor, ...]
    turns: bool = False
    corners: Tensor | None = None

    @property
    def dimension(self) -> int:
        return len(self.low)

    def sample(
        self, n: int, generator: torch.Generator, density: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        r"""`(n, m)`, uniform or of a density with values in (0, 1]."""
        kept = torch.empty(0, self.dimension, dtype=torch.float64)

        while len(kept) < n:
            unit = torch.rand(2 * n, self.dimension, generator=generator, dtype=torch.float64)
            fresh = self.low + (self.high - self.low) * unit
            drawn = torch.rand(2 * n, generator=generator, dtype=torch.float64)
            fresh = fresh if density is None else fresh[drawn < density(fresh)]
            kept = torch.cat([kept, fresh if self.inside is None else fresh[self.inside(fresh)]])

        return kept[:n]

    @property
    def ambient_dimension(self) -> int:
        return self.dimension + sum(self.periodic)

    def ambient(self, x: Tensor) -> Tensor:
        r"""Isometric map of `(..., m)` to R^D, every axis in units that suit a network."""
        parts = []

        for axis, periodic in enumerate(self.periodic):
            along = x[..., axis : axis + 1]

            if periodic:
                radius = (self.high[axis] - self.low[axis]) / (2 * math.pi)
                parts += [radius * (along / radius).cos(), radius * (along / radius).sin()]
            else:
                parts.append(along - (self.low[axis] + self.high[axis]) / 2)

        return torch.cat(parts, dim=-1)

    @property
    def freedoms(self) -> int:
        r"""Number of parameters of the isometries: shifts along periodic axes, and the turn."""
        return sum(self.periodic) + int(self.turns)

    def moved(self, x: Tensor, matrix: Tensor, parameters: list[float]) -> Tensor:
        r"""The image of `(n, m)` under the isometry with this linear part, shifts and turn."""
        middle = (self.low + self.high) / 2
        shift = torch.zeros_like(middle)

        for value, axis in zip(parameters, [k for k, p in enumerate(self.periodic) if p], strict=False):
            shift[axis] = value * (self.high[axis] - self.low[axis])

        if self.turns:
            c, s = math.cos(2 * math.pi * parameters[-1]), math.sin(2 * math.pi * parameters[-1])
            matrix = torch.tensor([[c, -s], [s, c]], dtype=torch.float64) @ matrix

        return (x - middle) @ matrix.T + middle + shift


def signs(m: int) -> tuple[Tensor, ...]:
    signs = itertools.product((1.0, -1.0), repeat=m)

    return tuple(torch.tensor(entry, dtype=torch.float64).diag() for entry in signs)


def box(*sides: float, periodic: tuple[bool, ...] | None = None) -> Space:
    high = torch.tensor(sides, dtype=torch.float64)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, side], dtype=torch.float64) for side in sides])
    circles = periodic or (False,) * len(sides)

    return Space(torch.zeros_like(high), high, None, circles, signs(len(sides)), corners=corners)


def square() -> Space:
    r"""The unit square with all eight isometries."""
    found = box(1.0, 1.0)

    return replace(found, matrices=(*found.matrices, *(matrix.flip(0) for matrix in found.matrices)))


def disc(radius: float, hole: float) -> Space:
    corner = torch.full((2,), radius, dtype=torch.float64)

    def inside(x: Tensor) -> Tensor:
        r = x.norm(dim=1)
        return (r < radius) & (r > hole)

    mirror = torch.tensor([1.0, -1.0], dtype=torch.float64).diag()
    angle = 2 * math.pi * torch.arange(RIM, dtype=torch.float64) / RIM

    return Space(
        -corner,
        corner,
        inside,
        (False, False),
        (torch.eye(2, dtype=torch.float64), mirror),
        True,
        radius * torch.stack([angle.cos(), angle.sin()], dim=1),
    )


def _polygon(draw: Draw) -> Space:
    r"""An irregular quadrilateral: a rectangle with its corners moved."""
    corners = torch.tensor([[0.0, 0.0], [1.6, 0.0], [1.6, 1.2], [0.0, 1.2]], dtype=torch.float64)
    corners = corners + 0.12 * draw.normal(4, 2).clamp(-2, 2)
    ahead = corners.roll(-1, dims=0) - corners

    def inside(x: Tensor) -> Tensor:
        to = x[:, None] - corners
        return (ahead[:, 0] * to[:, :, 1] - ahead[:, 1] * to[:, :, 0] > 0).all(dim=1)

    return Space(
        corners.amin(dim=0),
        corners.amax(dim=0),
        inside,
        (False, False),
        (torch.eye(2, dtype=torch.float64),),
        corners=corners,
    )


def _l_shape(draw: Draw) -> Space:
    wide, tall = draw.uniform(0.4, 0.6), draw.uniform(0.4, 0.6)
    space = box(1.0, 1.5)

    return Space(
        space.low,
        space.high,
        lambda x: (x[:, 0] < wide) | (x[:, 1] < tall),
        (False, False),
        (torch.eye(2, dtype=torch.float64),),
    )


SPACES: dict[str, Callable[[Draw], Space]] = {
    "interval": lambda draw: box(draw.uniform(1.0, 2.5)),
    "circle": lambda draw: box(draw.uniform(4.0, 9.0), periodic=(True,)),
    "rectangle": lambda draw: box(draw.uniform(1.3, 2.0), 1.0),
    "quadrilateral": _polygon,
    "l_shape": _l_shape,
    "disc": lambda draw: disc(1.0, -1.0),
    "annulus": lambda draw: disc(1.0, draw.uniform(0.3, 0.7)),
    "cylinder": lambda draw: box(draw.uniform(3.0, 6.0), draw.uniform(0.8, 1.5), periodic=(True, False)),
    "torus": lambda draw: box(draw.uniform(4.5, 6.0), draw.uniform(3.0, 4.0), periodic=(True, True)),
    "box": lambda draw: box(draw.uniform(1.5, 1.8), draw.uniform(1.1, 1.3), 0.9),
}


def rescaled(space: Space, factors: Tensor) -> Space:
    inside = space.inside

    return Space(
        space.low * factors,
        space.high * factors,
        None if inside is None else lambda x: inside(x / factors),
        space.periodic,
        space.matrices,
    )

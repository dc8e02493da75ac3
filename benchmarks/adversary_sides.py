r"""What an adversary's unpaired pair is: two spaces, each seen by a network of its own, and what relates them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from adversary_truth import Truth, missed
from families import Draw, Network, observe
from nearest import moved_error, shadows
from spaces import Space
from torch import Tensor

from equiv.comparison import Comparison
from equiv.observe.observations import Observations

__all__ = ["Side", "Unpaired", "embedded", "flat", "same", "seen"]

# Fresh points of the source.
FRESH = 3000


@dataclass(frozen=True)
class Side:
    r"""A space and the network that sees it.

    Attributes:
        sample: Coordinates `(n, m)`.
        network: From coordinates to activations; one-to-one and immersive on the space.
        metric: From coordinates to an orthonormal basis of the tangents, `(n, m, m)`; None: the identity.
    """

    sample: Callable[[int, torch.Generator], Tensor]
    network: Network
    metric: Network | None = None

    def observed(self, x: Tensor, generator: torch.Generator) -> Observations:
        r"""Frames turned at random, so that only the geometry is shown."""
        values, frames = observe(self.network, x)
        frames = frames if self.metric is None else frames @ self.metric(x)
        m = x.shape[1]
        turns = torch.linalg.qr(torch.randn(len(x), m, m, generator=generator, dtype=torch.float64))[0]

        return Observations(values, frames @ turns)


def same(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Unpaired:
    r"""Two sides and their relation.

    Attributes:
        a: A's side.
        b: B's side.
        samples: Of each, beside the anchors; distinct ones where there are copies.
        forward: Truth from A to B.
        backward: Truth from B to A.
        there: From A's coordinates to B's; None where nothing relates them.
        back: From B's coordinates to A's; None where B's do not tell.
        space: A's space, whose isometries nobody can tell from the identity; None: anchors leave the identity alone.
        anchors: A's coordinates of the known points, `(k, m)`, or None.
        wrong: How many of them, the first, are given a partner drawn at random.
        copies: How often each sample is repeated.
        twins: Maps of A's coordinates that are nearly isometries; as good as the identity where the comparison says
            that several maps fit equally well.
    """

    a: Side
    b: Side
    samples: int
    forward: Truth
    backward: Truth
    there: Network | None = same
    back: Network | None = same
    space: Space | None = None
    anchors: Tensor | None = None
    wrong: int = 0
    copies: int = 1
    twins: tuple[Network, ...] = ()

    def observed(self, generator: torch.Generator) -> tuple[Observations, Observations, Tensor | None]:
        sides = []

        for side, carried in ((self.a, same), (self.b, self.there)):
            x = side.sample(self.samples, generator).repeat(self.copies, 1)

            if self.anchors is not None:
                known = carried(self.anchors)
                false = side.sample(self.wrong, generator) if side is self.b else known[: self.wrong]
                x = torch.cat([x, false, known[self.wrong :]])

            sides.append(side.observed(x, generator))

        count = 0 if self.anchors is None else len(self.anchors)
        first = self.samples * self.copies

        return *sides, torch.stack([first + torch.arange(count)] * 2, dim=1) if count else None

    def error(self, result: Comparison, back: bool) -> float | None:
        r"""True error on fresh points, to the nearest map that the geometry cannot tell apart; None where no map is."""
        if self.there is None or (back and self.back is None):
            return None

        source, target = (self.b, self.a) if back else (self.a, self.b)
        found_map = result.transformation.inverse if back else result.transformation
        y = source.sample(FRESH, torch.Generator().manual_seed(10**6))

        try:
            found = found_map(source.network(y))
        except ValueError:
            return None

        # Both ways in A's coordinates, about which the isometries are.
        u = self.back(y) if back else y
        goal = target.network if back else lambda v: target.network(self.there(v))
        twins = self.twins if result.symmetries > 1 else ()
        error = min([self._nearest(u, found, goal), *(missed(found, goal(twin(u))) for twin in twins)])

        return None if math.isnan(error) else error

    def _nearest(self, u: Tensor, found: Tensor, goal: Network) -> float:
        if self.space is None or not found.isfinite().all():
            return missed(found, goal(u))

        errors = [moved_error(self.space, matrix, u, found, goal) for matrix in self.space.matrices]

        if self.back is None and self.space.dimension == 2 and not any(self.space.periodic):
            errors += [missed(found, self.b.network(image)) for image in shadows(self.space, u)]

        return min(errors)

    @property
    def exchanged(self) -> Unpaired:
        r"""With the names of both sides exchanged, where both maps of coordinates are the identity or there is none."""
        if self.there is None or (self.there is same and self.back is same and not self.wrong):
            return replace(self, a=self.b, b=self.a, forward=self.backward, backward=self.forward)

        return self


def embedded(draw: Draw, dimension: int) -> Network:
    r"""(x + f(x), g(x)) mixed by an orthogonal matrix, f of Lipschitz constant below 0.6: an embedding, whatever g."""
    inner, outer, shift = draw.normal(12, dimension), draw.normal(dimension, 12), draw.normal(12)
    norm = torch.linalg.matrix_norm(inner, 2) * torch.linalg.matrix_norm(outer, 2)
    strength = draw.uniform(0.2, 0.6) / norm.item()
    weight, bias = draw.normal(draw.integer(2, 6), dimension) * 0.8, draw.normal(1)
    mixed = torch.linalg.qr(draw.normal(*[dimension + len(weight)] * 2))[0] * draw.uniform(0.5, 3.0)

    def network(x: Tensor) -> Tensor:
        near = x + strength * torch.tanh(x @ inner.T + shift) @ outer.T
        return torch.cat([near, torch.tanh(x @ weight.T + bias)], dim=-1) @ mixed.T

    return network


def seen(draw: Draw, space: Space, density: Callable[[Tensor], Tensor] | None = None) -> Side:
    network = embedded(draw, space.ambient_dimension)

    return Side(lambda n, g: space.sample(n, g, density), lambda x: network(space.ambient(x)))


def flat(
    draw: Draw,
    spaces: tuple[Space, Space],
    samples: int,
    truths: tuple[Truth, Truth],
    anchors: Tensor | None = None,
    fixed: bool = False,
    there: Network | None = same,
    back: Network | None = same,
    densities: tuple[Callable[[Tensor], Tensor] | None, ...] = (None, None),
) -> Unpaired:
    r"""Two flat spaces; `fixed`: the anchors leave no isometry but the identity."""
    sides = [seen(draw, space, density) for space, density in zip(spaces, densities, strict=True)]

    return Unpaired(*sides, samples, *truths, there, back, None if fixed else spaces[0], anchors)

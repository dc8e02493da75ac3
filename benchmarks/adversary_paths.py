r"""Pairs in which neighbouring rows are alike: recordings, paths, sorted samples, lattices.

The error that counts is that on inputs anew: of other recordings, of the path's distribution, between the lattice's
points. "Unrelated" and "determined" as in `adversary_copies.py`.
"""

from __future__ import annotations

import math

import torch
from adversary_truth import (
    GROUPED,
    NEVER,
    Inputs,
    Layer,
    Paired,
    cube,
    determined,
    normal,
    through,
    unrelated,
    with_rare_tails,
    yes,
)
from families import Draw
from torch import Tensor

__all__ = ["PATHS"]


def _recordings(m: int, length: int, correlated: float) -> Inputs:
    r"""Smooth stationary paths: sums of 24 waves of random phase, the coordinates independent of each other."""

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        count = -(-n // length)
        speeds, phases = (torch.rand(count, m, 24, generator=g, dtype=torch.float64) for _ in range(2))
        speeds = torch.special.ndtri(speeds.clamp(1e-6, 1 - 1e-6)) / correlated
        time = torch.arange(length, dtype=torch.float64)[:, None, None]
        paths = (speeds[:, None] * time + 2 * math.pi * phases[:, None]).cos().sum(dim=-1) / math.sqrt(12)
        return paths.reshape(-1, m)[:n], torch.arange(n) // length

    return inputs


def _autoregressive(m: int, decay: float) -> Inputs:
    r"""x_t = decay x_{t-1} + noise, stationary of variance 1: one recording, so that there are no groups to tell."""

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, None]:
        noise = torch.randn(n, m, generator=g, dtype=torch.float64)
        path = [noise[0]]
        for step in noise[1:]:
            path.append(decay * path[-1] + math.sqrt(1 - decay**2) * step)
        return torch.stack(path), None

    return inputs


def _ungrouped(inputs: Inputs) -> Inputs:
    return lambda n, g: (inputs(n, g)[0], None)


def recordings_unrelated(draw: Draw) -> Paired:
    m, length = draw.integer(2, 4), draw.integer(20, 30)
    inputs = _recordings(m, length, draw.uniform(8, 30))

    return unrelated(draw, draw.integer(1, m - 1), inputs, length * draw.integer(12, 16), GROUPED, "asinh")


def recordings_determined(draw: Draw) -> Paired:
    inputs = _recordings(1, 25, draw.uniform(8, 20))
    pair = determined(draw, 1, inputs, 25 * draw.integer(12, 16), kinds=("asinh", "linear"))

    return with_rare_tails(pair, pair.samples / 25)


def path_unrelated(draw: Draw) -> Paired:
    r"""One smooth path, its two halves independent: over all paths nothing is determined; too few turns to prove it."""
    m, n = draw.integer(2, 6), draw.integer(200, 500)
    path = _ungrouped(_recordings(m, n, draw.uniform(10, 40)))
    fresh = _ungrouped(_recordings(m, 1, 1.0))

    return unrelated(draw, draw.integer(1, m - 1), path, n, NEVER, "asinh", fresh=fresh)


def path_determined(draw: Draw) -> Paired:
    n = draw.integer(200, 500)
    path, fresh = (_ungrouped(_recordings(1, length, 15.0)) for length in (n, 1))
    pair = determined(draw, 1, path, n, NEVER, ("asinh", "linear"), fresh=fresh)

    return with_rare_tails(pair, n / 15)


def autoregressive_unrelated(draw: Draw) -> Paired:
    m = draw.integer(2, 6)
    path = _autoregressive(m, draw.uniform(0.9, 0.995))

    return unrelated(
        draw, draw.integer(1, m - 1), path, draw.integer(200, 500), NEVER, "asinh", fresh=normal(m)
    )


def autoregressive_determined(draw: Draw) -> Paired:
    decay = draw.uniform(0.8, 0.95)
    path = _autoregressive(1, decay)
    pair = determined(draw, 1, path, 400, kinds=("asinh", "linear"), fresh=normal(1))

    return with_rare_tails(pair, 400 * (1 - decay))


def _sorted(m: int) -> Inputs:
    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, None]:
        x = cube(m)(n, g)[0]
        return x[x[:, 0].argsort()], None

    return inputs


def sorted_unrelated(draw: Draw) -> Paired:
    m = draw.integer(2, 4)

    return unrelated(draw, draw.integer(1, m - 1), _sorted(m), draw.integer(150, 400))


def sorted_determined(draw: Draw) -> Paired:
    m = draw.integer(1, 2)

    return determined(draw, m, _sorted(m), draw.integer(150, 400))


def _lattice(m: int) -> Inputs:
    r"""Centres of the cells of [-1, 1]^m, row by row; the first n."""

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, None]:
        side = math.ceil(n ** (1 / m) - 1e-9)
        axis = (2 * torch.arange(side, dtype=torch.float64) + 1) / side - 1
        return torch.cartesian_prod(*[axis] * m).reshape(-1, m)[:n], None

    return inputs


def lattice_determined(draw: Draw) -> Paired:
    m = draw.integer(1, 2)
    n = draw.integer(10, 20) ** 2 if m == 2 else draw.integer(60, 300)

    return determined(draw, m, _lattice(m), n, fresh=cube(m))


def _aliased(draw: Draw, m: int, side: int) -> Paired:
    r"""B's layer sees x and size sin(pi k side x), which is 0 at all centres of cells: (odd / side) - 1."""
    a, b = Layer(draw, m), Layer(draw, 2 * m)
    waves, size = draw.integer(1, 3), draw.uniform(0.1, 0.4)

    def aliased(x: Tensor) -> Tensor:
        return b(torch.cat([x, size * (math.pi * waves * side * x).sin()], dim=-1))

    forward, backward = (
        yes(through(a, aliased), NEVER),
        yes(lambda y: a(b.back(y)[..., :m]), NEVER),
    )

    return Paired(a, aliased, _lattice(m), side**m, forward, backward, frames=True, fresh=cube(m))


def aliased_line(draw: Draw) -> Paired:
    r"""On equally spaced inputs a sine is nothing; only the frames show it."""
    return _aliased(draw, 1, draw.integer(60, 200))


def aliased_lattice(draw: Draw) -> Paired:
    return _aliased(draw, 2, draw.integer(10, 18))


PATHS = (
    recordings_unrelated, recordings_determined, path_unrelated, path_determined,
    autoregressive_unrelated, autoregressive_determined, sorted_unrelated, sorted_determined,
    lattice_determined, aliased_line, aliased_lattice,
)  # fmt: skip

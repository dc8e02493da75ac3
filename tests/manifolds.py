r"""Input spaces with known geometry, and random smooth observation functions with exact Jacobians.

The independent truth of the tests and benchmarks: hidden inputs x, observed only through `observe`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv import Observations

__all__ = [
    "DOMAINS",
    "Domain",
    "RandomEmbedding",
    "curve",
    "observe",
    "observed",
    "plain",
    "pushed_forward",
    "random",
    "rigid_error",
    "rotate_frames",
    "surface",
    "swirled",
    "uniform",
]


@dataclass(frozen=True)
class Domain:
    r"""An input space: a subset of R^m, or R^m modulo `periods`, mapped to R^D isometrically by `ambient`.

    Attributes:
        low: Corner of the bounding box with the smallest entries, length m.
        high: Corner of the bounding box with the largest entries, length m.
        inside: `(n, m) -> (n,)` bool, or None where the box is all of it.
        periods: Lengths of the periods along the axes, 0 where an axis is not periodic; length m.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    inside: Callable[[Tensor], Tensor] | None = None
    periods: tuple[float, ...] | None = None

    @property
    def dimension(self) -> int:
        return len(self.low)

    def sample(self, n: int, seed: int = 0, kind: str = "random") -> Tensor:
        r"""`n` points of shape `(n, m)`, uniform: "random", or "low_discrepancy" (scrambled Sobol)."""
        low, high = torch.tensor(self.low).double(), torch.tensor(self.high).double()
        generator = torch.Generator().manual_seed(seed)
        sobol = torch.quasirandom.SobolEngine(self.dimension, scramble=True, seed=seed)
        points = torch.empty(0, self.dimension, dtype=torch.float64)

        while len(points) < n:
            if kind == "random":
                unit = torch.rand(n, self.dimension, generator=generator, dtype=torch.float64)
            else:
                unit = sobol.draw(1 << (n - 1).bit_length()).double()
                unit = unit if self.inside is not None else unit[:n]

            fresh = low + (high - low) * unit
            points = torch.cat([points, fresh if self.inside is None else fresh[self.inside(fresh)]])

        return points[:n]

    def ambient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Isometric map to R^D, `(n, D)`, and its Jacobian `(n, D, m)`: periodic axes become circles."""
        values, jacobian = [], []

        for axis, period in enumerate(self.periods or (0.0,) * self.dimension):
            unit = torch.zeros(len(x), 1, self.dimension, dtype=x.dtype)
            unit[:, :, axis] = 1.0

            if period == 0:
                values.append(x[:, axis : axis + 1])
                jacobian.append(unit)
            else:
                angle, radius = 2 * math.pi * x[:, axis] / period, period / (2 * math.pi)
                values.append(radius * torch.stack([angle.cos(), angle.sin()], dim=1))
                jacobian.append(torch.stack([-angle.sin(), angle.cos()], dim=1)[:, :, None] * unit)

        return torch.cat(values, dim=1), torch.cat(jacobian, dim=1)


def _outside_discs(x: Tensor) -> Tensor:
    holes = torch.tensor([[-0.4, -0.3], [0.45, -0.1], [0.0, 0.5]], dtype=x.dtype)

    return (x.norm(dim=1) < 1) & (torch.cdist(x, holes) > 0.2).all(dim=1)


DOMAINS = {
    "interval": Domain((0.0,), (1.0,)),
    "square": Domain((0.0, 0.0), (1.0, 1.0)),
    "rectangle": Domain((0.0, 0.0), (1.5, 1.0)),
    "l_shape": Domain((0.0, 0.0), (1.0, 1.0), lambda x: (x[:, 0] < 0.4) | (x[:, 1] < 0.3)),
    "c_shape": Domain((0.0, 0.0), (1.0, 1.0), lambda x: (x[:, 0] < 0.3) | (x[:, 1] < 0.3) | (x[:, 1] > 0.7)),
    "disc": Domain((-1.0, -1.0), (1.0, 1.0), lambda x: x.norm(dim=1) < 1),
    "annulus": Domain((-1.0, -1.0), (1.0, 1.0), lambda x: (x.norm(dim=1) < 1) & (x.norm(dim=1) > 0.5)),
    "thin_annulus": Domain((-1.0, -1.0), (1.0, 1.0), lambda x: (x.norm(dim=1) < 1) & (x.norm(dim=1) > 0.8)),
    "disc_with_holes": Domain((-1.0, -1.0), (1.0, 1.0), _outside_discs),
    "circle": Domain((0.0,), (2 * math.pi,), periods=(2 * math.pi,)),
    "torus": Domain((0.0, 0.0), (1.5, 2.0), periods=(1.5, 2.0)),
    "cylinder": Domain((0.0, 0.0), (2.0, 1.0), periods=(2.0, 0.0)),
    "cube": Domain((0.0,) * 3, (1.0,) * 3),
}


class RandomEmbedding:
    r"""A random network R^D -> R^d, `x -> W2 tanh(W1 x + b1) + b2` with N(0, 1) weights, and its Jacobian."""

    def __init__(self, inputs: int, outputs: int, seed: int, width: int = 32) -> None:
        generator = torch.Generator().manual_seed(seed)
        draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
        self.first, self.shift = draw(width, inputs), draw(width)
        self.second, self.offset = draw(outputs, width), draw(outputs)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.first.T + self.shift) @ self.second.T + self.offset

    def jacobian(self, x: Tensor) -> Tensor:
        slope = 1 - torch.tanh(x @ self.first.T + self.shift).square()  # (n, width)

        return torch.einsum("ok,nk,ki->noi", self.second, slope, self.first)


def observe(domain: Domain, x: Tensor, outputs: int, seed: int, width: int = 32) -> Observations:
    r"""What a random network of `seed` shows of the inputs `x`: values `(n, outputs)` and exact frames."""
    ambient, tangents = domain.ambient(x)
    network = RandomEmbedding(ambient.shape[1], outputs, seed, width)

    return Observations(network(ambient), network.jacobian(ambient) @ tangents)


def rotate_frames(frames: Tensor, seed: int = 0) -> Tensor:
    r"""The same frames, each turned or reflected by a random element of O(m) of its own."""
    n, _, m = frames.shape
    generator = torch.Generator().manual_seed(seed)
    gauge = torch.linalg.qr(torch.randn(n, m, m, generator=generator, dtype=torch.float64))[0]
    signs = torch.where(torch.rand(n, m, generator=generator) < 0.5, -1.0, 1.0).double()

    return frames @ (gauge * signs[:, None]).to(frames.dtype)


def rigid_error(found: Tensor, true: Tensor) -> float:
    r"""RMS error over RMS spread of `found` against `true`, both `(n, m)`, after the best rigid motion."""
    found, true = found - found.mean(dim=0), true - true.mean(dim=0)
    left, _, right = torch.linalg.svd(found.T @ true)

    return ((found @ (left @ right) - true).norm() / true.norm()).item()


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    r"""Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def uniform(n: int, m: int, seed: int = 0) -> Tensor:
    r"""`n` points of the cube [-1, 1]^m, `(n, m)`."""
    return 2 * torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def pushed_forward(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    r"""Jacobians at `x` `(n, m)` by automatic differentiation, `(n, d, m)`."""
    return torch.func.vmap(torch.func.jacrev(function))(x)


def observed(function: Callable[[Tensor], Tensor], x: Tensor) -> Observations:
    r"""What a function of the last axis shows of the inputs `x`, `(n, m)`: values and exact frames."""
    return Observations(function(x), pushed_forward(function, x))


def curve(x: Tensor) -> Tensor:
    r"""A curve without a fold, from `(..., 1)` to `(..., 3)`."""
    return torch.cat([x, (2 * x).sin(), x.square()], dim=-1)


def surface(x: Tensor) -> Tensor:
    r"""A surface that does not cross itself, from `(..., 2)` to `(..., 4)`."""
    s, t = x[..., :1], x[..., 1:2]

    return torch.cat([s + 0.2 * t.square(), t - 0.3 * s * t, (s + t).tanh(), (2 * s - t).sin()], dim=-1)


def plain(x: Tensor) -> Tensor:
    r"""The plane, a little bent, `(..., 2)` to `(..., 4)`."""
    return torch.cat([x, (2 * x).sin()], dim=-1)


def swirled(x: Tensor) -> Tensor:
    r"""The plane swirled about its middle and bent, `(..., 2)` to `(..., 4)`: smoothly undone, hard to learn."""
    angle = 2.0 * x.square().sum(dim=-1, keepdim=True)
    z = x * angle.cos() + torch.cat([-x[..., 1:], x[..., :1]], dim=-1) * angle.sin()

    return torch.cat([z, z.square()], dim=-1)

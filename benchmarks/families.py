r"""Pairs of observations with known relation, drawn at random: what `verdicts.py` judges the verdict by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]

__all__ = ["FAMILIES", "Draw", "Network", "Pair", "draw", "observe"]


@dataclass(frozen=True)
class Pair:
    r"""Two observations of one input space.

    Attributes:
        a: Inputs `(n, m)` to A's activations.
        b: Inputs to B's activations.
        sample: `(n, generator)` to inputs `(n, m)`.
        forward: Whether A determines B; None: as the true error says (leaks).
        backward: Whether B determines A; likewise.
    """

    a: Network
    b: Network
    sample: Callable[[int, torch.Generator], Tensor]
    forward: bool | None
    backward: bool | None

    @property
    def exchanged(self) -> Pair:
        return Pair(self.b, self.a, self.sample, self.backward, self.forward)


class Draw:
    r"""Random numbers, networks and dimensions of one pair."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def integer(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=self.generator).item()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def width(self, low: int, high: int = 128) -> int:
        r"""Log-uniform."""
        return round(math.exp(self.uniform(math.log(low), math.log(high))))

    def activation(self) -> Network:
        return (torch.tanh, torch.relu, torch.nn.functional.gelu)[self.integer(0, 2)]

    def network(
        self, m: int, d: int, activation: Network | None = None, read_out: bool | None = None
    ) -> Network:
        r"""A network with one or two hidden layers, read at its last hidden layer or through a linear map."""
        activation = activation or self.activation()
        gain = self.uniform(0.7, 1.5)
        widths = [m, self.width(16, 64)] if self.integer(0, 1) else [m]
        read_out = bool(self.integer(0, 1)) if read_out is None else read_out
        widths += [self.width(16, 64), d] if read_out else [d]
        layers = [
            (gain * self.normal(o, i) * (1.4 / math.sqrt(i)), 0.5 * self.normal(o))
            for i, o in itertools.pairwise(widths)
        ]

        def forward(x: Tensor) -> Tensor:
            for index, (weight, bias) in enumerate(layers):
                x = x @ weight.to(x).T + bias.to(x)
                x = x if read_out and index == len(layers) - 1 else activation(x)
            return x

        return forward

    def embedding(self, m: int, activation: Network | None = None) -> Network:
        r"""With at least 2m + 1 read-outs, or twice that many ReLU neurons: generically injective."""
        activation = activation or self.activation()
        read_out = bool(self.integer(0, 1))
        low = 2 * m + 1 if read_out or activation is torch.tanh else 4 * m + 2

        return self.network(m, self.width(low), activation, read_out)


def _cube(m: int) -> Callable[[int, torch.Generator], Tensor]:
    return lambda n, g: 2 * torch.rand(n, m, generator=g, dtype=torch.float64) - 1


def _annulus(n: int, g: torch.Generator) -> Tensor:
    radius = (0.25 + 0.75 * torch.rand(n, generator=g, dtype=torch.float64)).sqrt()
    angle = 2 * math.pi * torch.rand(n, generator=g, dtype=torch.float64)

    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def _square(z: Tensor) -> Tensor:
    x, y = z[..., 0], z[..., 1]

    return torch.stack([x * x - y * y, 2 * x * y], dim=-1)


def _circle(angle: Tensor) -> Tensor:
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


def _smooth_change(draw: Draw, m: int) -> Network:
    r"""x + f(x) with a Lipschitz constant of f below 0.6: a diffeomorphism."""
    inner, outer, shift = draw.normal(12, m), draw.normal(m, 12), draw.normal(12)
    norm = torch.linalg.matrix_norm(inner, 2) * torch.linalg.matrix_norm(outer, 2)
    strength = draw.uniform(0.2, 0.6) / norm.item()

    return lambda x: x + strength * torch.tanh(2 * x @ inner.T + shift) @ outer.T / 2


def diffeomorphism(draw: Draw) -> Pair:
    m = draw.integer(1, 4)
    change, linear = _smooth_change(draw, m), draw.normal(m, m) + 2 * torch.eye(m, dtype=torch.float64)

    return Pair(lambda x: x @ linear.T, change, _cube(m), True, True)


def embedding(draw: Draw) -> Pair:
    m = draw.integer(1, 4)

    return Pair(draw.embedding(m), draw.embedding(m), _cube(m), True, True)


def projection(draw: Draw) -> Pair:
    m = draw.integer(2, 4)
    kept = draw.integer(1, m - 1)
    b = draw.embedding(kept)

    return Pair(draw.embedding(m), lambda x: b(x[..., :kept]), _cube(m), True, False)


def fold(draw: Draw) -> Pair:
    m = draw.integer(1, 4)
    a, crease = draw.embedding(m), draw.uniform(-0.8, 0.8)

    def folded(x: Tensor) -> Tensor:
        return a(torch.cat([(x[..., :1] - crease).square(), x[..., 1:]], dim=-1))

    return Pair(folded, draw.embedding(m), _cube(m), False, True)


def double_cover(draw: Draw) -> Pair:
    a, b = draw.embedding(2), draw.embedding(2)

    def angles(n: int, g: torch.Generator) -> Tensor:
        return 2 * math.pi * torch.rand(n, 1, generator=g, dtype=torch.float64)

    return Pair(lambda x: a(_circle(x)), lambda x: b(_circle(2 * x)), angles, True, False)


def squaring(draw: Draw) -> Pair:
    a, b = draw.embedding(2), draw.embedding(2)

    return Pair(a, lambda x: b(_square(x)), _annulus, True, False)


def swirl(draw: Draw) -> Pair:
    turn, a, b = draw.uniform(0.5, 2.5), draw.embedding(2), draw.embedding(2)

    def swirled(x: Tensor) -> Tensor:
        angle = turn * x.square().sum(dim=-1)
        c, s = angle.cos(), angle.sin()
        return torch.stack([c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1]], dim=-1)

    return Pair(a, lambda x: b(swirled(x)), _cube(2), True, True)


def rescaled(draw: Draw) -> Pair:
    m = draw.integer(1, 4)
    d = draw.width(1)
    a = draw.network(m, d)
    order = torch.randperm(d, generator=draw.generator)
    scale, shift = torch.exp(draw.normal(d)), draw.normal(d)

    return Pair(a, lambda x: a(x)[..., order] * scale + shift, _cube(m), True, True)


def bottleneck(draw: Draw) -> Pair:
    m = draw.integer(2, 4)
    k = draw.integer(1, m - 1)
    a, squeeze = draw.embedding(k), draw.normal(k, m) / math.sqrt(m)

    return Pair(lambda x: a(x @ squeeze.T), draw.embedding(m), _cube(m), False, True)


def leak(draw: Draw) -> Pair:
    r"""B = g(x') + a leak of x_m; A sees x' alone."""
    m = draw.integer(2, 4)
    size = math.exp(draw.uniform(math.log(0.001), math.log(0.3)))
    a, b, odd = draw.embedding(m - 1), draw.embedding(m - 1), draw.network(1, 4, torch.tanh, True)
    probe = _cube(m)(2000, torch.Generator().manual_seed(0))
    spread = (
        b(probe[:, :-1]).std(dim=0).square().sum().sqrt()
        / odd(probe[:, -1:]).std(dim=0).square().sum().sqrt()
    )

    def leaking(x: Tensor) -> Tensor:
        return torch.cat([b(x[..., :-1]), size * spread * odd(x[..., -1:])], dim=-1)

    return Pair(lambda x: a(x[..., :-1]), leaking, _cube(m), None, True)


def output(draw: Draw) -> Pair:
    r"""A hidden layer against a scalar output computed from it."""
    m = draw.integer(1, 4)
    hidden = draw.embedding(m)
    width = hidden(torch.zeros(1, m, dtype=torch.float64)).shape[1]
    read_out = draw.network(width, 1, torch.tanh, True)
    scale = hidden(_cube(m)(500, torch.Generator().manual_seed(0))).std(dim=0).clamp_min(1e-3) * math.sqrt(
        width
    )
    wave = draw.uniform(3.0, 5.0)

    def out(x: Tensor) -> Tensor:
        h = hidden(x)
        # The even term makes the output non-monotone along every direction: it never determines the layer.
        return read_out(h / scale) + (wave * x[..., :1]).cos()

    return Pair(hidden, out, _cube(m), True, False)


def unrelated(draw: Draw) -> Pair:
    m = draw.integer(2, 4)
    k = draw.integer(1, m - 1)
    a, b = draw.embedding(k), draw.embedding(m - k)

    return Pair(lambda x: a(x[..., :k]), lambda x: b(x[..., k:]), _cube(m), False, False)


FAMILIES = {
    f.__name__: f
    for f in (
        diffeomorphism, embedding, projection, fold, double_cover, squaring, swirl, rescaled, bottleneck,
        leak, output, unrelated,
    )
}  # fmt: skip


def draw(family: str, seed: int) -> Pair:
    r"""A pair of the family, its sides exchanged for odd seeds."""
    pair = FAMILIES[family](Draw(1000 * seed + list(FAMILIES).index(family)))

    return pair.exchanged if seed % 2 else pair


def observe(network: Network, inputs: Tensor) -> tuple[Tensor, Tensor]:
    r"""Activations `(n, d)` and frames `(n, d, m)`."""
    frames = torch.func.vmap(torch.func.jacfwd(network), chunk_size=512)(inputs)

    return network(inputs), frames

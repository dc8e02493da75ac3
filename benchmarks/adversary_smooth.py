r"""Pairs of independent draws that mislead: tails, conditions, noise, roughness, leaks."""

from __future__ import annotations

import math
from statistics import NormalDist

import torch
from adversary_truth import (
    ALWAYS,
    NEVER,
    OPEN,
    Inputs,
    Layer,
    Paired,
    Truth,
    columns,
    cube,
    determined,
    no,
    normal,
    share,
    through,
    unrelated,
    with_rare_extremes,
    yes,
)
from families import Draw, Network
from torch import Tensor

__all__ = ["SMOOTH"]


def _student(m: int, freedoms: int) -> Inputs:
    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, None]:
        x, *others = (torch.randn(n, m, generator=g, dtype=torch.float64) for _ in range(1 + freedoms))
        return x / (sum(o.square() for o in others) / freedoms).sqrt(), None

    return inputs


def heavy_tails_determined(draw: Draw) -> Paired:
    r"""Inputs of t_2: A linear, B a logarithm far out. The quantile at p is (2 p - 1) / sqrt(2 p (1 - p))."""
    pair = determined(draw, 1, _student(1, 2), draw.integer(200, 400), NEVER, ("linear", "asinh"))

    p = 1 - 0.5 / pair.samples

    return with_rare_extremes(pair, 1 / pair.samples, (2 * p - 1) / math.sqrt(2 * p * (1 - p)))


def heavy_tails_unrelated(draw: Draw) -> Paired:
    m = draw.integer(2, 4)

    return unrelated(draw, draw.integer(1, m - 1), _student(m, 3), draw.integer(100, 300), kind="linear")


def log_normal(draw: Draw) -> Paired:
    r"""A = exp(s x) in a rotated frame, B an ordinary layer of x, Gaussian."""
    m, s = draw.integer(1, 2), draw.uniform(0.5, 1.2)
    turn, b = Layer(draw, m, m, "linear"), Layer(draw, m, kind="asinh")

    def a(x: Tensor) -> Tensor:
        return (s * x).exp() @ turn.weight.T

    def back(y: Tensor) -> Tensor:
        return (y @ torch.linalg.inv(turn.weight).T).clamp_min(1e-300).log() / s

    forward, backward = yes(lambda y: b(back(y)), NEVER), yes(through(b, a), NEVER)
    pair = Paired(a, b, normal(m), draw.integer(200, 400), forward, backward)

    rarity = 1 / pair.samples

    return with_rare_extremes(pair, rarity, NormalDist().inv_cdf(1 - rarity / (2 * m)))


def _conditioned(draw: Draw, m: int, exponents: list[float]) -> Tensor:
    left, right = (torch.linalg.qr(draw.normal(m, m))[0] for _ in range(2))

    return left * torch.tensor([10**e for e in exponents], dtype=torch.float64) @ right


def ill_conditioned(draw: Draw) -> Paired:
    r"""B = M A with condition numbers of 1e1 to 1e5, no noise."""
    m, worst = draw.integer(2, 6), draw.uniform(1, 5)
    matrix = _conditioned(draw, m, [-worst * k / (m - 1) for k in range(m)])

    return Paired(
        lambda x: x,
        lambda x: x @ matrix.T,
        normal(m),
        draw.integer(60, 300),
        yes(lambda y: y @ matrix.T),
        yes(lambda y: y @ torch.linalg.inv(matrix).T),
    )


def ill_conditioned_noise(draw: Draw) -> Paired:
    r"""B = M A + s e, everything Gaussian, M's last singular values far below s.

    Given B, A is Gaussian of covariance (1 + M^T M / s^2)^-1, whatever the map: the floor is its mean eigenvalue's
    root. Forward the floor is s sqrt(m / (|M|^2 + m s^2)), below 1 %.
    """
    m, s = draw.integer(3, 6), 0.003
    matrix = _conditioned(draw, m, [0.0] * (m - 1) + [draw.uniform(-4, -3)])
    left = torch.linalg.inv(torch.eye(m, dtype=torch.float64) + matrix.T @ matrix / s**2)
    best = left @ matrix.T / s**2

    return Paired(
        columns(lambda x: x, 0, m),
        lambda x: x[..., :m] @ matrix.T + s * x[..., m:],
        normal(2 * m),
        draw.integer(100, 300),
        yes(lambda y: y @ matrix.T, floor=share(m * s**2, matrix.square().sum() + m * s**2)),
        no(share(left.trace(), m), ALWAYS, lambda y: y @ best.T),
    )


def _noisy(draw: Draw, s: float, answer: str) -> Paired:
    r"""B = R x + s e with m orthonormal columns R, x and e Gaussian: E[B | x] = R x.

    Forward the floor is s sqrt(d / (m + d s^2)); backward x | B has variance s^2 / (1 + s^2), the root is the floor.
    """
    m = draw.integer(1, 2)
    a, d = Layer(draw, m, kind="linear"), draw.integer(m, m + 3)
    R = torch.linalg.qr(draw.normal(d, m))[0]
    floors = s * math.sqrt(d / (m + d * s**2)), s / math.sqrt(1 + s**2)
    maps = (lambda y: a.back(y) @ R.T), (lambda y: a(y @ R / (1 + s**2)))
    truths = [
        yes(known, floor=floor) if answer == "yes" else no(floor, ALWAYS, known)
        for known, floor in zip(maps, floors, strict=True)
    ]

    return Paired(
        columns(a, 0, m),
        lambda x: x[..., :m] @ R.T + s * x[..., m:],
        normal(m + d),
        draw.integer(150, 400),
        *truths,
    )


def stochastic_little(draw: Draw) -> Paired:
    return _noisy(draw, draw.uniform(0.003, 0.012), "yes")


def stochastic_much(draw: Draw) -> Paired:
    return _noisy(draw, draw.uniform(0.15, 0.8), "no")


def weierstrass(draw: Draw) -> Paired:
    r"""B = (x, two sums of 2^-hk cos(2^k pi x + p_k)), k to 14: continuous, rough at every scale; A is a layer of x."""
    a, h, phases = Layer(draw, 1), draw.uniform(0.3, 0.7), 6.3 * draw.normal(2, 15)
    k = torch.arange(15, dtype=torch.float64)

    def rough(x: Tensor) -> Tensor:
        waves = (math.pi * 2**k * x[..., None] + phases).cos() * 2 ** (-h * k)
        return torch.cat([x, waves.sum(dim=-1)], dim=-1)

    return Paired(
        a, rough, cube(1), draw.integer(150, 400), yes(through(a, rough), NEVER), yes(lambda y: a(y[..., :1]))
    )


def fast_sine(draw: Draw) -> Paired:
    r"""B = (x, c sin w x) with some 3 to 30 waves between neighbouring samples, which are random.

    Values alone cannot tell it from noise: forward open. Frames say that nothing is hidden: then a "no" is wrong.
    """
    a, c, n = Layer(draw, 1), draw.uniform(0.2, 1.0), draw.integer(100, 300)
    w, frames = math.pi * n * draw.uniform(3, 30), bool(draw.integer(0, 1))

    def b(x: Tensor) -> Tensor:
        return torch.cat([x, c * (w * x).sin()], dim=-1)

    forward = yes(through(a, b), NEVER) if frames else OPEN

    return Paired(a, b, cube(1), n, forward, yes(lambda y: a(y[..., :1])), frames)


def common_nuisance(draw: Draw) -> Paired:
    r"""Both see a loud w besides what is their own: A = (u, w), B = (v, w), all uniform.

    B = V v + W w linear: v is independent of A, and no error is below |V| / sqrt(|V|^2 + |W|^2).
    """
    m, loud = draw.integer(1, 2), draw.uniform(1.5, 4)
    nets = [Layer(draw, 2 * m, kind="linear") for _ in range(2)]

    for net in nets:
        net.weight[:, m:] *= loud

    def own(k: int) -> Network:
        return lambda x: nets[k](torch.cat([x[..., k * m : (k + 1) * m], x[..., 2 * m :]], dim=-1))

    def truth(source: Layer, target: Layer) -> Truth:
        parts = target.weight.square().sum(dim=0)
        mask = (torch.arange(2 * m) >= m).to(parts)
        return no(share(parts[:m].sum(), parts.sum()), ALWAYS, lambda y: target(source.back(y) * mask))

    return Paired(own(0), own(1), cube(3 * m), draw.integer(150, 400), truth(*nets), truth(*nets[::-1]))


def _leaking(draw: Draw, size: float, taken: bool) -> Paired:
    r"""B = (W u, size x), A sees u alone; x is uniform, or never moves. Frames are along all inputs.

    Where x moves the floor is sqrt(size^2 / (size^2 + |W|^2)).
    """
    m = draw.integer(1, 2)
    a, b = Layer(draw, m), Layer(draw, m, kind="linear")

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, None]:
        x = cube(m + 1)(n, g)[0]
        x[:, m] = x[:, m] if taken else 0.3
        return x, None

    size = size * float(b.weight.norm())
    floor = share(size**2, size**2 + b.weight.square().sum()) if taken else 0.0
    last = 0.0 if taken else 0.3

    def best(y: Tensor) -> Tensor:
        return torch.cat([b(a.back(y)), torch.full_like(y[..., :1], size * last)], dim=-1)

    forward = no(floor, ALWAYS, best) if floor > 0.05 else yes(best, ALWAYS, floor)

    return Paired(
        columns(a, 0, m),
        lambda x: torch.cat([b(x[..., :m]), size * x[..., m:]], dim=-1),
        inputs,
        draw.integer(150, 300),
        forward,
        yes(lambda y: a(b.back(y[..., :-1]))),
        frames=True,
    )


def leak_taken(draw: Draw) -> Paired:
    return _leaking(draw, draw.uniform(0.1, 0.6), True)


def leak_little(draw: Draw) -> Paired:
    return _leaking(draw, draw.uniform(0.003, 0.02), True)


def leak_never_taken(draw: Draw) -> Paired:
    return _leaking(draw, draw.uniform(0.2, 3.0), False)


def crease(draw: Draw) -> Paired:
    r"""A sees |x - c| on [0, 1], B sees x linearly: where two x give one A they are equally likely.

    The error is sqrt(2 c^3 / 3) in x, whose spread is sqrt(1/12): the floor is sqrt(8 c^3).
    """
    b, c = Layer(draw, 1, kind="linear"), draw.uniform(0.12, 0.4)

    def distance(x: Tensor) -> Tensor:
        return ((x + 1) / 2 - c).abs()

    def best(y: Tensor) -> Tensor:
        return b(2 * torch.where(y < c, torch.full_like(y, c), y + c) - 1)

    return Paired(
        distance,
        b,
        cube(1),
        draw.integer(150, 400),
        no(math.sqrt(8 * c**3), ALWAYS, best),
        yes(lambda y: distance(b.back(y))),
    )


def wrong_partners(draw: Draw) -> Paired:
    r"""A share q of the rows of B, 5 to 40 %, belongs to other inputs: E[B | A] = (1 - q) f(A) + q E B.

    The floor is sqrt(1 - (1 - q)^2), each way.
    """
    m, q = draw.integer(1, 2), draw.uniform(0.05, 0.4)
    a, b = Layer(draw, m, kind="linear"), Layer(draw, m, kind="linear")

    def exchanged(x: Tensor) -> Tensor:
        return b(torch.where(x[..., -1:] > 1 - 2 * q, x[..., m : 2 * m], x[..., :m]))

    floor, owed = math.sqrt(1 - (1 - q) ** 2), ALWAYS if q > 0.15 else NEVER
    truths = [
        no(floor, owed, lambda y, s=s, t=t: (1 - q) * t(s.back(y)) + q * t.shift) for s, t in ((a, b), (b, a))
    ]

    return Paired(columns(a, 0, m), exchanged, cube(2 * m + 1), draw.integer(200, 400), *truths)


SMOOTH = (
    heavy_tails_determined, heavy_tails_unrelated, log_normal, ill_conditioned, ill_conditioned_noise,
    stochastic_little, stochastic_much, weierstrass, fast_sine, common_nuisance, leak_taken, leak_little,
    leak_never_taken, crease, wrong_partners,
)  # fmt: skip

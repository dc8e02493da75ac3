r"""Pairs with tokens by Zipf's law, roots, low-discrepancy inputs, and a source that shows one component alone."""

from __future__ import annotations

import math

import torch
from adversary_truth import ALWAYS, NEVER, OPEN, Layer, Paired, cube, no, normal, share, unrelated, yes
from families import Draw, Network
from torch import Tensor

__all__ = ["TOKENS"]


def _zipf(draw: Draw, count: int) -> tuple[Tensor, Network]:
    r"""Shares of tokens, and the token of a first coordinate that is uniform on [-1, 1]."""
    shares = torch.arange(1, count + 1, dtype=torch.float64) ** -draw.uniform(0.8, 1.5)
    shares = shares / shares.sum()
    ends = shares.cumsum(dim=0)

    return shares, lambda x: torch.searchsorted(ends, (x[..., 0].contiguous() + 1) / 2).clamp(0, count - 1)


def zipf_tokens(draw: Draw) -> Paired:
    r"""A names the token, B embeds it: a table, of which tokens that were never seen, or once, tell nothing."""
    count = draw.integer(30, 150)
    _, token = _zipf(draw, count)
    named, rows = torch.eye(count, dtype=torch.float64), draw.normal(count, draw.integer(2, 40))

    return Paired(
        lambda x: named[token(x)], lambda x: rows[token(x)], cube(1), draw.integer(100, 500), OPEN, OPEN
    )


def zipf_tokens_noisy(draw: Draw) -> Paired:
    r"""B = r_token + s u, u uniform of variance 1/3 and independent: the floor is its share, the table the best map."""
    count, d, s = draw.integer(10, 40), draw.integer(1, 6), draw.uniform(0.3, 1.5)
    shares, token = _zipf(draw, count)
    named, rows = torch.eye(count, dtype=torch.float64), draw.normal(count, d)
    noise, between = d * s**2 / 3, (shares[:, None] * (rows - shares @ rows).square()).sum()

    return Paired(
        lambda x: named[token(x)],
        lambda x: rows[token(x)] + s * x[..., 1:],
        cube(1 + d),
        draw.integer(150, 500),
        no(share(noise, noise + between), NEVER, lambda y: y @ rows),
        OPEN,
    )


def odd_root(draw: Draw) -> Paired:
    r"""A = x^p, p odd from 3 to 9, and B is linear in x: continuous both ways, with a cusp from A to B."""
    p, b = 2 * draw.integer(1, 4) + 1, Layer(draw, 1, kind="linear")

    return Paired(
        lambda x: x**p,
        b,
        cube(1),
        draw.integer(100, 500),
        yes(lambda y: b(y.sign() * y.abs() ** (1 / p)), NEVER),
        yes(lambda y: b.back(y) ** p, NEVER),
        frames=bool(draw.integer(0, 1)),
    )


def sobol_unrelated(draw: Draw) -> Paired:
    r"""Inputs more even than draws; what both see of them is as independent as ever."""
    m = draw.integer(2, 5)

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, None]:
        seed = int(torch.randint(10**6, (), generator=g))
        return 2 * torch.quasirandom.SobolEngine(m, scramble=True, seed=seed).draw(n).double() - 1, None

    return unrelated(draw, draw.integer(1, m - 1), inputs, draw.integer(100, 500), ALWAYS, fresh=cube(m))


def leading_component(draw: Draw) -> Paired:
    r"""B has one component of variance 1 and d - 1 others of s^2 together, A a noisy copy of the first alone.

    Forward the best map is linear in A, with 1 / (1 + e^2) of the first's variance; backward the noise e is left.
    """
    d, s, e = draw.integer(3, 40), draw.uniform(0.1, 0.4), 10 ** draw.uniform(-3, -1.7)
    sizes = torch.full((d,), s / math.sqrt(d - 1), dtype=torch.float64)
    sizes[0] = 1.0
    mixed = torch.linalg.qr(draw.normal(d, d))[0]
    width = draw.integer(1, 4)

    return Paired(
        lambda x: (x[..., :1] + e * x[..., -1:]).expand(*x.shape[:-1], width),
        lambda x: (x[..., :-1] * sizes) @ mixed.T,
        normal(d + 1),
        draw.integer(100, 400),
        no(
            share(s**2 + e**2 / (1 + e**2), 1 + s**2), ALWAYS, lambda y: y[..., :1] / (1 + e**2) * mixed[:, 0]
        ),
        yes(lambda y: (y @ mixed[:, :1]).expand(len(y), width), NEVER, e / math.sqrt(1 + e**2)),
    )


TOKENS = (zipf_tokens, zipf_tokens_noisy, odd_root, sobol_unrelated, leading_component)

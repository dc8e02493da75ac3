r"""Pairs with masked, sparse, binary, rounded, permuted and unequally scaled neurons, many of them wide."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from adversary_truth import NEVER, Paired, columns, cube, determined, no, normal, unrelated, yes
from families import Draw, Network
from torch import Tensor

__all__ = ["NEURONS"]


def _masked(draw: Draw, pair: Paired) -> Paired:
    r"""1 to 5 more neurons on both sides that are one constant, from -1e3 to -1e30."""
    value, count = -(10 ** draw.uniform(3, 30)), draw.integer(1, 5)

    def beside(network: Network) -> Network:
        return lambda x: torch.cat(
            [network(x), torch.full_like(x[..., :1], value).expand(len(x), count)], dim=1
        )

    def within(known: Network | None) -> Network | None:
        return known and beside(lambda y: known(y[..., :-count]))

    return replace(
        pair,
        a=beside(pair.a),
        b=beside(pair.b),
        forward=replace(pair.forward, map=within(pair.forward.map)),
        backward=replace(pair.backward, map=within(pair.backward.map)),
    )


def masked_unrelated(draw: Draw) -> Paired:
    return _masked(draw, unrelated(draw, 1, cube(draw.integer(2, 3)), draw.integer(150, 400)))


def masked_determined(draw: Draw) -> Paired:
    m = draw.integer(1, 2)

    return _masked(draw, determined(draw, m, cube(m), draw.integer(150, 400)))


def scales_apart(draw: Draw) -> Paired:
    r"""B's neurons scaled by 1e-6 to 1e6 each, A's as they are."""
    pair = determined(draw, 2, cube(2), draw.integer(150, 400))
    b = pair.b
    d = b(torch.zeros(1, 2, dtype=torch.float64)).shape[1]
    scale = 10.0 ** torch.tensor([draw.uniform(-6, 6) for _ in range(d)], dtype=torch.float64)
    there, back = pair.forward.map, pair.backward.map

    return replace(
        pair,
        b=lambda x: b(x) * scale,
        forward=yes(lambda y: there(y) * scale),
        backward=yes(lambda y: back(y / scale)),
    )


def _sparse(draw: Draw, count: int, threshold: float) -> Network:
    r"""ReLU latents of 64 Gaussian inputs, each above its threshold in few of them."""
    weight = torch.nn.functional.normalize(draw.normal(count, 64))

    return lambda x: torch.relu(x @ weight.T - threshold)


def sparse_codes_unrelated(draw: Draw) -> Paired:
    r"""Few samples of many sparse latents: coincidences abound, and no sample can prove that there is no map."""
    a, b = _sparse(draw, draw.integer(300, 700), 2.2), _sparse(draw, draw.integer(10, 40), 3.0)
    truth = no(1.0, NEVER)

    return Paired(columns(a, 0, 64), columns(b, 64), normal(128), draw.integer(60, 120), truth, truth)


def _bits(draw: Draw, count: int) -> Network:
    r"""Signs of `count` of the inputs."""
    return lambda x: x[..., :count].sign()


def binary_codes_unrelated(draw: Draw) -> Paired:
    bits, truth = draw.integer(20, 200), no(1.0, NEVER)
    a, b = _bits(draw, bits), columns(_bits(draw, draw.integer(1, 6)), bits)

    return Paired(a, b, cube(bits + 6), draw.integer(12, 80), truth, truth)


def binary_codes_permuted(draw: Draw) -> Paired:
    bits = draw.integer(6, 30)
    order = torch.randperm(bits, generator=draw.generator)
    scale = torch.exp(draw.normal(bits))
    a = _bits(draw, bits)

    return Paired(
        a,
        lambda x: a(x)[..., order] * scale,
        cube(bits),
        draw.integer(120, 250),
        yes(lambda y: y[..., order] * scale),
        yes(lambda y: (y / scale)[..., order.argsort()]),
    )


def _rounded(draw: Draw, rounded: Network) -> Paired:
    r"""A layer of 200 to 500 independent Gaussian neurons and its rounded copy; fewer samples than neurons."""
    truth = yes(lambda y: y)

    return Paired(lambda x: x, rounded, normal(draw.integer(200, 500)), draw.integer(80, 150), truth, truth)


def bfloat16_copy(draw: Draw) -> Paired:
    r"""Rounded to 8 bits: the identity is off by 2^-9 / sqrt(3) or so."""
    return _rounded(draw, lambda x: x.bfloat16().to(x))


def int8_copy(draw: Draw) -> Paired:
    r"""Rounded to a 32nd: the identity is off by 1 / (32 sqrt(12)), 0.9 % of the spread."""
    return _rounded(draw, lambda x: (32 * x).round().clamp(-127, 127) / 32)


def permuted_copy(draw: Draw) -> Paired:
    r"""Neurons permuted, each scaled, with independent noise of 0.5 %."""
    d = draw.integer(200, 500)
    order, scale = torch.randperm(d, generator=draw.generator), torch.exp(0.5 * draw.normal(d))

    def copy(x: Tensor) -> Tensor:
        return (x[..., :d] + 0.005 * x[..., d:])[..., order] * scale

    return Paired(
        lambda x: x[..., :d],
        copy,
        normal(2 * d),
        draw.integer(80, 150),
        yes(lambda y: y[..., order] * scale, floor=0.005),
        yes(lambda y: (y / scale)[..., order.argsort()]),
    )


def half_copied(draw: Draw) -> Paired:
    r"""Half of B's neurons are A's, half independent ones: sqrt(1/2) of the spread is left, each way."""
    d = 2 * draw.integer(60, 200)
    half = d // 2
    truth = no(math.sqrt(0.5), NEVER, lambda y: torch.cat([y[..., :half], 0 * y[..., half:]], dim=-1))

    return Paired(
        lambda x: x[..., :d],
        lambda x: torch.cat([x[..., :half], x[..., d:]], dim=-1),
        normal(d + half),
        draw.integer(80, 150),
        truth,
        truth,
    )


def wide_relu_unrelated(draw: Draw) -> Paired:
    r"""Random ReLU codes of independent inputs, fewer samples than neurons: no sample proves that there is no map."""
    k = draw.integer(8, 40)
    nets = [draw.normal(draw.integer(200, 500), k) / math.sqrt(k) for _ in range(2)]
    a, b = (lambda x, w=w: torch.relu(x @ w.T + 0.2) for w in nets)
    truth = no(1.0, NEVER)

    return Paired(columns(a, 0, k), columns(b, k), normal(2 * k), draw.integer(60, 150), truth, truth)


NEURONS = (
    masked_unrelated, masked_determined, scales_apart, sparse_codes_unrelated, binary_codes_unrelated,
    binary_codes_permuted, bfloat16_copy, int8_copy, permuted_copy, half_copied, wide_relu_unrelated,
)  # fmt: skip

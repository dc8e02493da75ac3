r"""What an adversary's pair is: two networks on common inputs, and for each direction a truth that can be proved."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import torch
from families import Draw, Network
from torch import Tensor

__all__ = [
    "ALWAYS",
    "GROUPED",
    "NEVER",
    "OPEN",
    "VOID",
    "Inputs",
    "Layer",
    "Paired",
    "Truth",
    "columns",
    "cube",
    "determined",
    "missed",
    "no",
    "normal",
    "share",
    "through",
    "unrelated",
    "with_rare_extremes",
    "with_rare_tails",
    "yes",
]

# When a direction can be decided at the pair's number of samples: always, where its groups are told, never.
ALWAYS, GROUPED, NEVER = "always", "grouped", "never"

# Inputs `(n, m)` and the group of each, `(n,)`, or None where all are independent draws.
Inputs = Callable[[int, torch.Generator], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Truth:
    r"""Of one direction.

    Attributes:
        answer: "yes": a map exists whose error is within the tolerance; "no": no map has one; "open": only a claim
            that the returned map does not keep is wrong; "void": the target never changes, so that every claim is.
        owed: When it can be decided: `ALWAYS`, `GROUPED` or `NEVER`.
        floor: The least error that any map has on fresh inputs, over the target's spread.
        map: A map with that error; None: the mean of the target, or none that is known.
    """

    answer: str
    owed: str = ALWAYS
    floor: float = 0.0
    map: Network | None = None


OPEN, VOID = Truth("open", NEVER), Truth("void", NEVER)


def yes(known: Network | None, owed: str = ALWAYS, floor: float = 0.0) -> Truth:
    return Truth("yes", owed, floor, known)


def no(floor: float, owed: str = ALWAYS, best: Network | None = None) -> Truth:
    return Truth("no", owed, floor, best)


@dataclass(frozen=True)
class Paired:
    r"""Two networks that see common inputs.

    Attributes:
        a: Inputs `(n, m)` to A's activations; noise of A or B is a column of the inputs.
        b: Inputs to B's activations.
        inputs: What is observed.
        samples: How many are observed.
        forward: Truth from A to B.
        backward: Truth from B to A.
        frames: Whether Jacobians are given.
        fresh: Inputs to judge by, where the observed ones are a design and no draws; None: `inputs`.
        rare: Inputs to whether each is of a rare kind, `(n,)`; None: there is no rare kind.
        rarity: Share of the inputs that are.
    """

    a: Network
    b: Network
    inputs: Inputs
    samples: int
    forward: Truth
    backward: Truth
    frames: bool = False
    fresh: Inputs | None = None
    rare: Callable[[Tensor], Tensor] | None = None
    rarity: float = 0.0

    @property
    def exchanged(self) -> Paired:
        return replace(self, a=self.b, b=self.a, forward=self.backward, backward=self.forward)


def _leaky(slope: float) -> Network:
    return lambda x: torch.where(x > 0, x, slope * x)


ELEMENTWISE: dict[str, tuple[Network, Network]] = {
    "linear": (lambda x: x, lambda y: y),
    "asinh": (torch.asinh, torch.sinh),
    "sinh": (torch.sinh, torch.asinh),
    "tanh": (torch.tanh, torch.atanh),
    "leaky": (_leaky(0.4), _leaky(2.5)),
}


class Layer:
    r"""f(x W^T + c) with at least as many neurons as inputs and f invertible: one-to-one, its inverse known.

    W has orthogonal columns of lengths from 0.6 to 1.2.
    """

    def __init__(self, draw: Draw, inputs: int, neurons: int | None = None, kind: str | None = None) -> None:
        neurons = neurons or draw.integer(inputs, 2 * inputs + 3)
        names = ("linear", "asinh", "sinh", "tanh")
        self.there, self.inverse = ELEMENTWISE[kind or names[draw.integer(0, len(names) - 1)]]
        lengths = torch.tensor([draw.uniform(0.6, 1.2) for _ in range(inputs)], dtype=torch.float64)
        self.weight = torch.linalg.qr(draw.normal(neurons, inputs))[0] * lengths
        self.shift = 0.3 * draw.normal(neurons)

    def __call__(self, x: Tensor) -> Tensor:
        return self.there(x @ self.weight.T + self.shift)

    def back(self, y: Tensor) -> Tensor:
        return (self.inverse(y) - self.shift) @ torch.linalg.pinv(self.weight).T


def through(source: Layer, target: Network) -> Network:
    r"""The map from what the source shows to what the target makes of the same inputs."""
    return lambda y: target(source.back(y))


def columns(network: Network, first: int, last: int | None = None) -> Network:
    r"""The network of some of the inputs."""
    return lambda x: network(x[..., first:last])


def cube(m: int) -> Inputs:
    r"""Uniform on [-1, 1]^m, of variance 1/3 an axis."""
    return lambda n, g: (2 * torch.rand(n, m, generator=g, dtype=torch.float64) - 1, None)


def normal(m: int) -> Inputs:
    return lambda n, g: (torch.randn(n, m, generator=g, dtype=torch.float64), None)


def determined(
    draw: Draw,
    m: int,
    inputs: Inputs,
    samples: int,
    owed: str = ALWAYS,
    kinds: tuple[str | None, str | None] = (None, None),
    frames: bool = False,
    fresh: Inputs | None = None,
) -> Paired:
    r"""Two layers with known inverses see all inputs: both maps exist, and are known."""
    a, b = (Layer(draw, m, kind=kind) for kind in kinds)
    forward, backward = yes(through(a, b), owed), yes(through(b, a), owed)

    return Paired(a, b, inputs, samples, forward, backward, frames, fresh)


def unrelated(
    draw: Draw,
    m: int,
    inputs: Inputs,
    samples: int,
    owed: str = ALWAYS,
    kind: str | None = None,
    frames: bool = False,
    fresh: Inputs | None = None,
) -> Paired:
    r"""A sees m inputs and B the others, which are independent of them: the mean is the best map, its error 1."""
    others = inputs(2, torch.Generator())[0].shape[1] - m
    a, b = columns(Layer(draw, m, kind=kind), 0, m), columns(Layer(draw, others, kind=kind), m)

    return Paired(a, b, inputs, samples, no(1.0, owed), no(1.0, owed), frames, fresh)


def share(part: Tensor | float, whole: Tensor | float) -> float:
    r"""Of variances, as an error."""
    return math.sqrt(float(part) / float(whole))


def missed(found: Tensor, target: Tensor) -> float:
    r"""RMS error over RMS spread, by the neurons that change at all; NaN where none does."""
    changing = (target != target[0]).any(dim=0)
    middle = target[0, changing]
    found, target = found[:, changing] - middle, target[:, changing] - middle

    return (
        ((found - target).norm() / (target - target.mean(dim=0)).norm()).item()
        if changing.any()
        else math.nan
    )


def with_rare_extremes(pair: Paired, rarity: float, limit: float) -> Paired:
    r"""Inputs with a coordinate beyond a limit, so many that the sample may show none, as a rare kind."""
    return replace(pair, rare=lambda x: (x.abs() > limit).any(dim=-1), rarity=rarity)


def with_rare_tails(pair: Paired, draws: float, deviation: float = 1.0) -> Paired:
    r"""One normal input whose outermost values, of which so many draws show one on average, are a rare kind."""
    return with_rare_extremes(pair, 1 / draws, deviation * NormalDist().inv_cdf(1 - 0.5 / draws))

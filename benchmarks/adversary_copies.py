r"""Pairs whose samples are no independent draws: copies, trials, sessions, augmentations; and plain draws.

In each, what is judged is the error on states that were never shown. "Unrelated": A and B see independent parts of
the state, so that given A's activations B's are distributed as ever: the mean is the best map, its error exactly 1.
"Determined": both see the state through layers with known inverses.
"""

from __future__ import annotations

import math

import torch
from adversary_truth import (
    ALWAYS,
    GROUPED,
    NEVER,
    OPEN,
    Inputs,
    Layer,
    Paired,
    columns,
    cube,
    determined,
    no,
    normal,
    share,
    through,
    unrelated,
    with_rare_extremes,
    with_rare_tails,
    yes,
)
from families import Draw
from torch import Tensor

__all__ = ["COPIES"]


def _shown_again(states: Inputs, copies: int, jitter: float = 0.0, uneven: bool = False) -> Inputs:
    r"""Each state several times; uneven: 1 to `copies` times, each number as often."""

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        x = states(n, g)[0]
        counts = torch.randint(1, copies + 1, (n,), generator=g) if uneven else torch.full((n,), copies)
        groups = torch.arange(n).repeat_interleave(counts)[:n]
        noise = torch.randn(n, x.shape[1], generator=g, dtype=torch.float64)
        return x[groups] + jitter * noise, groups

    return inputs


def _sessions(m: int, size: int, within: float) -> Inputs:
    r"""Gaussian offsets of variance 1, the samples of one session around its own."""

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        groups = torch.arange(n) // size
        offsets, around = (torch.randn(n, m, generator=g, dtype=torch.float64) for _ in range(2))
        return offsets[groups] + within * around, groups

    return inputs


def exact_copies_unrelated(draw: Draw) -> Paired:
    m, copies = draw.integer(2, 5), draw.integer(2, 8)

    return unrelated(
        draw, draw.integer(1, m - 1), _shown_again(cube(m), copies), copies * draw.integer(40, 60)
    )


def jittered_copies_unrelated(draw: Draw) -> Paired:
    m, copies, jitter = draw.integer(2, 5), draw.integer(2, 8), 10 ** draw.uniform(-7, -2.5)
    inputs = _shown_again(cube(m), copies, jitter)

    return unrelated(draw, draw.integer(1, m - 1), inputs, copies * draw.integer(40, 60))


def uneven_copies_unrelated(draw: Draw) -> Paired:
    m = draw.integer(2, 4)
    inputs = _shown_again(cube(m), draw.integer(4, 8), uneven=True)

    return unrelated(draw, draw.integer(1, m - 1), inputs, draw.integer(200, 300), GROUPED)


def exact_copies_determined(draw: Draw) -> Paired:
    m, copies = draw.integer(1, 2), draw.integer(2, 5)

    return determined(draw, m, _shown_again(cube(m), copies), copies * draw.integer(60, 80))


def jittered_copies_determined(draw: Draw) -> Paired:
    m, copies, jitter = draw.integer(1, 2), draw.integer(2, 5), 10 ** draw.uniform(-7, -2)

    return determined(draw, m, _shown_again(cube(m), copies, jitter), copies * draw.integer(60, 80))


def trials_determined(draw: Draw) -> Paired:
    r"""Each state 5 times, both sides with noise of their own of 0.4 % of the spread: the map misses 2 % or so."""
    noise = 0.004

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        x, groups = _shown_again(cube(1), 5)(n, g)
        return torch.cat([x, noise * torch.randn(n, 6, generator=g, dtype=torch.float64)], dim=1), groups

    a, b = Layer(draw, 1, 3, "asinh"), Layer(draw, 1, 3, "linear")
    shown = columns(a, 0, 1), columns(b, 0, 1)

    return Paired(
        lambda x: shown[0](x) + x[..., 1:4],
        lambda x: shown[1](x) + x[..., 4:],
        inputs,
        5 * draw.integer(50, 80),
        yes(through(a, b)),
        yes(through(b, a)),
    )


def sessions_unrelated(draw: Draw) -> Paired:
    m, size = draw.integer(2, 4), draw.integer(8, 20)
    inputs = _sessions(m, size, 10 ** draw.uniform(-2.5, -1))

    return unrelated(draw, draw.integer(1, m - 1), inputs, size * draw.integer(10, 20), GROUPED, "asinh")


def sessions_determined(draw: Draw) -> Paired:
    r"""Each session shows a part of the inputs, and the outermost are those of one session in all."""
    within = draw.uniform(0.3, 0.8)
    pair = determined(draw, 1, _sessions(1, 10, within), 10 * draw.integer(20, 35), kinds=("asinh", "linear"))

    return with_rare_tails(pair, pair.samples / 10, math.hypot(1, within))


def session_offsets(draw: Draw) -> Paired:
    r"""B's neurons are shifted in each session by what A never sees.

    B = x W^T + s o with x of variance 1, o Gaussian of variance 1 in each of d neurons and independent of x: no map
    is better than E[B | x] = x W^T, its error s sqrt(d / (|W|^2 + d s^2)). Backward nothing is claimed.
    """
    size = draw.integer(8, 16)
    a, b, s = Layer(draw, 2, kind="asinh"), Layer(draw, 2, kind="linear"), draw.uniform(0.3, 0.8)
    d = len(b.weight)

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        groups = torch.arange(n) // size
        offsets = torch.randn(n, d, generator=g, dtype=torch.float64)[groups]
        return torch.cat([normal(2)(n, g)[0], offsets], dim=1), groups

    floor = share(d * s**2, b.weight.square().sum() + d * s**2)
    seen = columns(b, 0, 2)

    return Paired(
        columns(a, 0, 2),
        lambda x: seen(x) + s * x[..., 2:],
        inputs,
        size * draw.integer(15, 25),
        no(floor, ALWAYS, through(a, b)),
        OPEN,
    )


def augmentations_unrelated(draw: Draw) -> Paired:
    r"""20 to 40 inputs of 6 coordinates with jittered copies and exact frames, which prove that nothing is shared."""
    copies = draw.integer(4, 6)
    inputs = _shown_again(cube(6), copies, 10 ** draw.uniform(-4, -2))

    return unrelated(draw, 3, inputs, copies * draw.integer(20, 40), frames=True)


def augmentations_determined(draw: Draw) -> Paired:
    copies = draw.integer(3, 5)
    inputs = _shown_again(cube(2), copies, 10 ** draw.uniform(-4, -2))

    return determined(draw, 2, inputs, copies * draw.integer(50, 70), frames=bool(draw.integer(0, 1)))


def few_unrelated(draw: Draw) -> Paired:
    m = draw.integer(2, 4)

    return unrelated(draw, draw.integer(1, m - 1), normal(m), draw.integer(8, 40), NEVER, "asinh")


def few_determined(draw: Draw) -> Paired:
    r"""Too few to show the ends: the outermost 2 / n of the inputs are a rare kind."""
    m, n = draw.integer(1, 3), draw.integer(12, 40)

    return with_rare_extremes(determined(draw, m, cube(m), n, NEVER), 2 / n, (1 - 2 / n) ** (1 / m))


def plain_unrelated(draw: Draw) -> Paired:
    m = draw.integer(2, 3)

    return unrelated(
        draw, draw.integer(1, m - 1), cube(m), draw.integer(150, 400), frames=bool(draw.integer(0, 1))
    )


def plain_determined(draw: Draw) -> Paired:
    m = draw.integer(1, 3)

    return determined(draw, m, cube(m), draw.integer(200, 400), frames=bool(draw.integer(0, 1)))


COPIES = (
    exact_copies_unrelated, jittered_copies_unrelated, uneven_copies_unrelated, exact_copies_determined,
    jittered_copies_determined, trials_determined, sessions_unrelated, sessions_determined,
    session_offsets, augmentations_unrelated, augmentations_determined, few_unrelated, few_determined,
    plain_unrelated, plain_determined,
)  # fmt: skip

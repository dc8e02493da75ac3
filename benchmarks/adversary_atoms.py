r"""Pairs with atoms, tables, dead layers, thresholds and rare inputs."""

from __future__ import annotations

from dataclasses import replace

import torch
from adversary_truth import (
    ALWAYS,
    NEVER,
    OPEN,
    VOID,
    Layer,
    Paired,
    Truth,
    columns,
    cube,
    no,
    share,
    through,
    yes,
)
from families import Draw, Network
from torch import Tensor

__all__ = ["ATOMS"]


def _gate(x: Tensor, alive: float) -> Tensor:
    r"""Whether an input is shown, (..., 1), by a last coordinate that is uniform on [-1, 1]."""
    return (x[..., -1:] < 2 * alive - 1).to(x)


def atom_determined(draw: Draw) -> Paired:
    r"""A share of 30 to 90 % of the inputs gives one and the same activations, in both networks at once."""
    m, alive = draw.integer(1, 2), draw.uniform(0.1, 0.7)
    a, b = Layer(draw, m), Layer(draw, m)
    gated = [lambda x, net=net: net(_gate(x, alive) * (x[..., :m] + 1.2)) for net in (a, b)]
    samples = round(draw.integer(60, 120) / alive)

    return Paired(*gated, cube(m + 1), min(samples, 500), yes(through(a, b)), yes(through(b, a)))


def atom_unrelated(draw: Draw) -> Paired:
    r"""Padding, the same in both, hides independent inputs.

    B = z (W u + c) with z shown by A and u, uniform, by B alone: E[B | A] = z c, and no error is below
    sqrt(p V / (p V + p (1 - p) |c|^2)), V = |W|^2 / 3 and p the share of z = 1.
    """
    m, alive = draw.integer(1, 3), draw.uniform(0.2, 0.7)
    nets = [Layer(draw, m, kind="linear") for _ in range(2)]
    gated = [lambda x, k=k: _gate(x, alive) * nets[k](x[..., k * m : (k + 1) * m]) for k in (0, 1)]

    def truth(target: Layer) -> Truth:
        hidden = alive * target.weight.square().sum() / 3
        shown = alive * (1 - alive) * target.shift.square().sum()
        return no(
            share(hidden, hidden + shown),
            ALWAYS,
            lambda y: (y != 0).any(dim=-1, keepdim=True).to(y) * target.shift,
        )

    samples = min(round(draw.integer(60, 150) / alive), 500)

    return Paired(*gated, cube(2 * m + 1), samples, truth(nets[1]), truth(nets[0]))


def padded_texts(draw: Draw) -> Paired:
    r"""Texts of 10 tokens, the last of them padding: a group each, both networks see all."""
    pair = atom_determined(draw)
    m = pair.inputs(1, torch.Generator())[0].shape[1]

    def inputs(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        groups, place = torch.arange(n) // 10, torch.arange(n) % 10
        topic = cube(m)(n, g)[0][groups]
        x = 0.6 * topic + 0.4 * cube(m)(n, g)[0]
        lengths = torch.randint(3, 10, (n,), generator=g)[groups]
        x[:, -1] = torch.where(place < lengths, -1.0, 1.0)
        return x, groups

    return replace(pair, inputs=inputs, samples=10 * draw.integer(25, 45))


def _table(draw: Draw, cells: int) -> tuple[Network, Network]:
    r"""A shows the number of a cell by two coordinates, B a random row of its own for each."""
    rows, side = draw.normal(cells, 3), 8

    def number(x: Tensor) -> Tensor:
        return ((x[..., 0] + 1) / 2 * cells).long().clamp(0, cells - 1)

    def place(x: Tensor) -> Tensor:
        return torch.stack([number(x) % side, number(x) // side], dim=-1).to(x) / side

    return place, lambda x: rows[number(x)]


def frozen_table(draw: Draw) -> Paired:
    r"""Piecewise constant networks, every cell seen 15 times on average: B is a table of A, and A one of B."""
    cells = draw.integer(4, 30)
    a, b = _table(draw, cells)
    shown = (2 * torch.arange(cells, dtype=torch.float64)[:, None] + 1) / cells - 1

    def lookup(source: Tensor, target: Tensor) -> Network:
        return lambda y: target[torch.cdist(y, source).argmin(dim=1)]

    forward, backward = yes(lookup(a(shown), b(shown))), yes(lookup(b(shown), a(shown)))

    return Paired(a, b, cube(1), min(max(15 * cells, 120), 450), forward, backward)


def thin_table(draw: Draw) -> Paired:
    r"""Hundreds of cells, most of them seen once: a table nobody can learn, and nobody can tell from noise."""
    a, b = _table(draw, draw.integer(300, 600))

    return Paired(a, b, cube(1), draw.integer(100, 300), OPEN, OPEN)


def _steps(x: Tensor, count: int) -> Tensor:
    r"""Middles of `count` equal parts of [-1, 1]."""
    return (((x + 1) / 2 * count).floor() + 0.5) / count * 2 - 1


def coarse_cells(draw: Draw) -> Paired:
    r"""B sees in which of 3 to 8 parts of [-1, 1] x lies: A, linear in x, is known to 1 / parts, exactly.

    Forward there is no continuous map, but the jumps are few: open.
    """
    a, b, count = Layer(draw, 1, kind="linear"), Layer(draw, 1), draw.integer(3, 8)
    backward = no(1 / count, ALWAYS, through(b, a))

    return Paired(a, lambda x: b(_steps(x, count)), cube(1), draw.integer(150, 400), OPEN, backward)


def fine_cells(draw: Draw) -> Paired:
    r"""As `coarse_cells` with 60 to 100 parts: A is known to 1 / parts."""
    a, b, count = Layer(draw, 1, kind="linear"), Layer(draw, 1, kind="linear"), draw.integer(60, 100)
    forward = yes(lambda y: b(_steps(a.back(y), count)))

    return Paired(
        a,
        lambda x: b(_steps(x, count)),
        cube(1),
        draw.integer(300, 500),
        forward,
        yes(through(b, a), floor=1 / count),
    )


def dead_half(draw: Draw) -> Paired:
    r"""A sees r, r x_2, ... with r = relu(x_1 - t): one and the same where x_1 < t, and all inputs elsewhere.

    B is linear and never silent.

    With p = (1 + t) / 2 silent and x uniform, V_k the sum of squares of B's k-th column over 3: no map from A has an
    error below sqrt(p (p^2 V_1 + V_2 + ...) / (V_1 + V_2 + ...)).
    """
    m, t = draw.integer(1, 3), draw.uniform(-0.4, 0.4)
    a, b = Layer(draw, m), Layer(draw, m, kind="linear")
    p, parts = (1 + t) / 2, b.weight.square().sum(dim=0)
    centre = torch.zeros(m, dtype=torch.float64)
    centre[0] = (t - 1) / 2

    def gated(x: Tensor) -> Tensor:
        r = torch.relu(x[..., :1] - t)
        return a(torch.cat([r, r * x[..., 1:]], dim=-1))

    def guess(y: Tensor) -> Tensor:
        r = a.back(y)
        found = torch.cat([r[..., :1] + t, r[..., 1:] / r[..., :1]], dim=-1)
        return b(torch.where(r[..., :1] > 1e-9, found, centre))

    floor = share(p * (parts.sum() - (1 - p**2) * parts[0]), parts.sum())

    return Paired(
        gated,
        b,
        cube(m),
        draw.integer(150, 400),
        no(floor, ALWAYS, guess),
        yes(lambda y: gated(b.back(y)), NEVER),
    )


def dead_target(draw: Draw) -> Paired:
    r"""B never changes: there is nothing to know about it, and it tells nothing."""
    m = draw.integer(1, 3)
    a, values = Layer(draw, m), draw.normal(draw.integer(1, 4))

    return Paired(
        a, lambda x: values.expand(len(x), -1), cube(m), draw.integer(100, 300), VOID, no(1.0, NEVER)
    )


def threshold(draw: Draw) -> Paired:
    r"""B says on which side of t x lies: A, linear in x, is known to sqrt(p^3 + (1 - p)^3), p = (1 + t) / 2.

    Forward there is no continuous map, and one jump: open. Inputs so near the jump that n samples, at 94 %, may show
    none of them are a rare kind.
    """
    a, t = Layer(draw, 1, kind="linear"), draw.uniform(-0.5, 0.5)
    p = (1 + t) / 2
    floor = (p**3 + (1 - p) ** 3) ** 0.5
    n = draw.integer(100, 300)
    rarity = 2.9 / n

    return Paired(
        a,
        lambda x: (x > t).to(x),
        cube(1),
        n,
        OPEN,
        no(floor, ALWAYS, lambda y: a(y + (t - 1) / 2)),
        rare=lambda x: (x[..., 0] - t).abs() < rarity,
        rarity=rarity,
    )


def thermometers(draw: Draw) -> Paired:
    r"""A says which of 4 to 8 thresholds x exceeds, B which of half of them: a table forward, and none backward.

    Backward: of a code that takes k equal parts together, the parts are equally likely; the floor is the share of
    variance within, by enumeration.
    """
    count = draw.integer(4, 8)
    levels = 2 * torch.arange(1, count, dtype=torch.float64) / count - 1
    kept = torch.arange(0, count - 1, 2)

    def a(x: Tensor) -> Tensor:
        return (x > levels).to(x)

    shown = a((2 * torch.arange(count, dtype=torch.float64)[:, None] + 1) / count - 1)
    codes, place = shown[:, kept].unique(dim=0, return_inverse=True)
    means = torch.stack([shown[place == k].mean(dim=0) for k in range(len(codes))])
    floor = share((shown - means[place]).square().sum(), (shown - shown.mean(dim=0)).square().sum())

    return Paired(
        a,
        lambda x: a(x)[..., kept],
        cube(1),
        draw.integer(100, 300),
        yes(lambda y: y[..., kept]),
        no(floor, ALWAYS, lambda y: means[torch.cdist(y, codes).argmin(dim=1)]),
    )


def rare_unseen(draw: Draw) -> Paired:
    r"""On 0.1 to 1 % of the inputs B shows what A never does, by much.

    B = (W u, s v), v = +-1 at a share r of the inputs and else 0, independent of A: the floor is
    sqrt(r s^2 / (r s^2 + |W|^2 / 3)). Not owed: the sample may hold none.
    """
    rarity, s = 10 ** draw.uniform(-3, -2), draw.uniform(5, 15)
    a, b = Layer(draw, 2), Layer(draw, 2, kind="linear")

    def is_rare(x: Tensor) -> Tensor:
        return x[..., 2] > 1 - 2 * rarity

    def shown(x: Tensor) -> Tensor:
        return torch.cat([b(x[..., :2]), s * (is_rare(x).to(x) * x[..., 3].sign())[..., None]], dim=-1)

    floor = share(rarity * s**2, rarity * s**2 + b.weight.square().sum() / 3)
    forward = no(floor, NEVER, lambda y: torch.cat([b(a.back(y)), torch.zeros_like(y[..., :1])], dim=-1))
    backward = yes(lambda y: a(b.back(y[..., :-1])))

    return Paired(
        columns(a, 0, 2), shown, cube(4), draw.integer(200, 400), forward, backward,
        rare=is_rare, rarity=rarity,
    )  # fmt: skip


def rare_label(draw: Draw) -> Paired:
    r"""Classes that A tells apart and B names one-hot; one of them makes up 0.1 to 1 % of the inputs."""
    rarity, common = 10 ** draw.uniform(-3, -2), draw.integer(3, 6)
    centres = 3 * torch.linalg.qr(draw.normal(common + 2, common + 2))[0][: common + 1]
    unit = torch.eye(common + 1, dtype=torch.float64)

    def label(x: Tensor) -> Tensor:
        u = (x[..., 0] + 1) / 2
        return torch.where(u > 1 - rarity, common, (u / (1 - rarity) * common).long().clamp(0, common - 1))

    def a(x: Tensor) -> Tensor:
        return centres[label(x)] + 0.3 * x[..., 1:]

    named = yes(lambda y: unit[torch.cdist(y, centres).argmin(dim=1)], NEVER)
    within = 0.03 * (common + 2)
    p = torch.tensor([(1 - rarity) / common] * common + [rarity], dtype=torch.float64)
    between = (p[:, None] * (centres - p @ centres).square()).sum()
    backward = no(share(within, within + between), ALWAYS, lambda y: y @ centres)

    return Paired(
        a, lambda x: unit[label(x)], cube(common + 3), draw.integer(150, 400), named, backward,
        rare=lambda x: label(x) == common, rarity=rarity,
    )  # fmt: skip


ATOMS = (
    atom_determined, atom_unrelated, padded_texts, frozen_table, thin_table, coarse_cells, fine_cells,
    dead_half, dead_target, threshold, thermometers, rare_unseen, rare_label,
)  # fmt: skip

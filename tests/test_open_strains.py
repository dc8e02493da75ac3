"""Strains that anchors leave open: what the outlines say of them is in the bound, or excludes an isometry."""

import math

import pytest
import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.register import register
from equiv.registration.result import Relation
from equiv.supports.strains import extrapolation, fit_strains

LINE = [[0.5, 0.1], [0.5, 0.45], [0.5, 0.9]]
GENERIC = [[0.2, 0.3], [0.8, 0.4], [0.5, 0.9], [0.1, 0.8]]


def samples(n: int, factors: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)

    return torch.rand(n, len(factors), generator=generator, dtype=torch.float64) * factors


def registered(n: int, factors: list[float], anchors: list[list[float]], seed: int, period: float = 0.0):
    """A unit box against a stretched one; the first axis closed where there is a period."""
    stretch = torch.tensor(factors, dtype=torch.float64)
    there = torch.tensor(anchors, dtype=torch.float64).reshape(-1, len(stretch))
    a = torch.cat([there, samples(n, torch.ones_like(stretch), seed)])
    b = torch.cat([there * stretch, samples(n, stretch, seed + 1000)])
    pairs = torch.arange(len(there))[:, None].expand(-1, 2) if len(there) else None
    periods = torch.eye(len(stretch), dtype=torch.float64)[:1] * period if period else None

    return register(Domain(a, periods), Domain(b, periods), pairs, 0.025), b


def farthest(freedom, points: Tensor) -> float:
    """RMS displacement, twice its standard deviation, over the spread."""
    fields = freedom.generators.at(points)
    gram = torch.einsum("nir,nis->rs", fields, fields) / len(points)
    square = freedom.mean @ gram @ freedom.mean + 4 * (gram @ freedom.covariance).trace()

    return math.sqrt(square.item() / (points - points.mean(dim=0)).square().sum(dim=1).mean().item())


@pytest.mark.parametrize(
    ("n", "factors", "anchors", "period"),
    [
        (300, [1.0], [[0.5]], 0.0),
        (300, [1.0], [], 0.0),
        (800, [1.0, 1.0], LINE, 0.0),
        (800, [1.0, 1.0], [], 0.0),
        (400, [1.0, 1.0], [[0.1, 0.4], [0.4, 0.4], [0.8, 0.4]], 1.0),
        (400, [1.0, 1.0], [], 1.0),
    ],
    ids=["one anchor", "interval", "line", "square", "circle of a cylinder", "cylinder"],
)
@pytest.mark.parametrize("stretch", [1.0, 1.04, 1.2])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_lengths_that_anchors_leave_open_are_bounded_or_excluded(
    n, factors, anchors, period, stretch, seed
) -> None:
    stretched = [*factors[:-1], stretch]

    if anchors == LINE:
        stretched = [stretch, 1.0]

    found, b = registered(n, stretched, anchors, seed, period)

    if stretch == 1.2:
        assert found.relation in (Relation.NONE, Relation.UNDECIDED)
        return

    if stretch > 1.0 and found.relation is Relation.UNDECIDED:
        return

    assert found.relation is Relation.ISOMETRIC
    bound = farthest(found.freedom, b)
    axis = 0 if anchors == LINE else -1
    missed = (stretch - 1) * b[:, axis].std() / (b - b.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    assert missed < bound < missed + 0.07


def test_generic_anchors_leave_none_open_and_anchors_close_together_do() -> None:
    found, _ = registered(400, [1.0, 1.0], GENERIC, 0)
    assert found.freedom is None

    near = [[0.5 + 0.03 * (x - 0.5), 0.5 + 0.03 * (y - 0.5)] for x, y in GENERIC]
    found, _ = registered(800, [1.2, 1.0], near, 0)
    assert found.relation is Relation.NONE


def test_the_map_back_is_off_by_as_much() -> None:
    a = samples(300, torch.tensor([1.0, 1.0]), 0)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    motion = Motion(turn, torch.tensor([3.0, 1.0], dtype=torch.float64))
    b = motion(samples(300, torch.tensor([1.05, 1.0]), 1))
    freedom = fit_strains(a, b, motion, None, 1.0)
    assert farthest(freedom, a) == pytest.approx(farthest(freedom.inverse(motion), motion(a)))


def test_anchors_in_line_say_nothing_across() -> None:
    points = samples(200, torch.ones(2), 0)
    assert extrapolation(torch.tensor(LINE, dtype=torch.float64), points) > 1e6
    assert extrapolation(torch.tensor(GENERIC, dtype=torch.float64), points) < 2


def test_dimensions_without_outlines_need_anchors_for_every_strain() -> None:
    box = torch.rand(500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for count, relation in ((4, Relation.UNDECIDED), (8, Relation.ISOMETRIC)):
        pairs = torch.arange(count)[:, None].expand(-1, 2)
        assert register(Domain(box), Domain(box.clone()), pairs, 0.025).relation is relation


def carried(m: int, wrong: int, jitter: float, stretch: float, seed: int):
    """A box and its image, stretched along the last axis; of six anchors the first so many have any partner."""
    generator = torch.Generator().manual_seed(seed)
    sides = torch.tensor([1.5, 1.1, 0.8][:m], dtype=torch.float64)
    factors = torch.ones(m, dtype=torch.float64)
    factors[-1] = stretch
    known = torch.rand(6, m, generator=generator, dtype=torch.float64) * sides
    there = known * factors + jitter * torch.randn(6, m, generator=generator, dtype=torch.float64)
    there[:wrong] = torch.rand(wrong, m, generator=generator, dtype=torch.float64) * sides * factors
    a, b = samples(300, sides, seed), samples(300, sides * factors, seed + 1000)
    domains = (Domain(torch.cat(each), accuracy=1e-4) for each in ((known, a), (there, b)))

    return register(*domains, torch.arange(6)[:, None].expand(-1, 2), 0.025)


@pytest.mark.parametrize("m", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_anchors_exclude_an_isometry_only_where_they_agree_on_a_strain(m) -> None:
    """Wrong anchors, most of them or all a little, are no other space; those of a stretched space are."""
    for seed in range(1, 1 + m):
        stretched = carried(m, 0, 0.0, 1.15, seed)
        assert stretched.relation is Relation.NONE and not stretched.rejected
        # A strain within the tolerance is no wrong anchor either, but an error.
        assert carried(m, 0, 0.0, 1.03, seed).rejected == ()
        most, sloppy = carried(m, 4, 0.0, 1.0, seed), carried(m, 0, 0.1, 1.0, seed)
        assert most.relation is sloppy.relation is Relation.UNDECIDED
        assert set(range(4)) <= set(most.rejected)
        assert carried(m, 2, 0.0, 1.0, seed).rejected == (0, 1)


@pytest.mark.parametrize("length", [1.0, 1.1, 2.5])
@pytest.mark.parametrize(
    ("known", "relation"),
    [
        ([0.4], Relation.UNDECIDED),
        ([0.4, 0.401], Relation.UNDECIDED),
        ([0.4, 0.1, 0.9], Relation.A_ONTO_B),
    ],
    ids=["one", "next to each other", "apart"],
)
def test_an_interval_of_any_length_is_wound_round_a_circle_by_one_anchor(known, relation, length) -> None:
    there = torch.tensor(known, dtype=torch.float64)[:, None]
    interval = Domain(torch.cat([there, samples(300, torch.tensor([length]), 0)]))
    circle = Domain(torch.cat([there, samples(300, torch.ones(1), 1)]), torch.eye(1, dtype=torch.float64))
    pairs = torch.arange(len(there))[:, None].expand(-1, 2)
    assert register(interval, circle, pairs, 0.025).relation is relation

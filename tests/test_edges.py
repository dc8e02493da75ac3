"""Density that vanishes at an edge hides where it is: no other shape, and no hole."""

import pytest
import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.registration.register import register
from equiv.registration.result import Relation
from equiv.supports.edges import unseen_depth
from equiv.supports.occupancy import Occupancy
from equiv.supports.support import outline

SEEDS = range(6)


def samples(n: int, sides: tuple[float, ...], seed: int, power: float = 0.0) -> Tensor:
    """Of a box, the density along the first axis the distance to its start to this power."""
    unit = torch.rand(n, len(sides), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    unit[:, 0] **= 1 / (1 + power)

    return unit * torch.tensor(sides, dtype=torch.float64)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_ends_lie_about_as_far_off_as_depths_say(power) -> None:
    depths = torch.stack([samples(300, (1.0,), seed, power)[:, 0].sort().values[:73] for seed in range(60)])
    ratio = depths[:, 0] / unseen_depth(depths - depths[:, :1])
    assert 0.2 < ratio.median() < 1.2
    assert (ratio > 4).double().mean() < 0.1
    assert torch.allclose(
        unseen_depth(5 * (depths - depths[:, :1])), 5 * unseen_depth(depths - depths[:, :1])
    )


def test_tails_show_no_end_and_uniform_samples_show_it_to_one_gap() -> None:
    even = torch.linspace(0.0, 1.0, 73, dtype=torch.float64)[None]
    assert unseen_depth(even).item() == pytest.approx(1 / 72)
    # Depths whose density grows exponentially.
    tail = ((73 - torch.arange(73.0, dtype=torch.float64)) / 73).log().neg().sort().values
    tail = tail.max() - tail.flip(0)
    assert unseen_depth((tail - tail[0])[None]).item() > tail[-1]


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_an_interval_whose_density_vanishes_is_no_shorter_one(power) -> None:
    for seed in SEEDS:
        a, b = samples(300, (1.3,), seed), samples(300, (1.3,), seed + 50, power)
        assert register(Domain(a), Domain(b), None, 0.025).relation is not Relation.NONE


def test_stretched_uniform_intervals_are_refused_as_before() -> None:
    for seed in SEEDS:
        a, b = samples(300, (1.0,), seed), samples(300, (1.1,), seed + 50)
        assert register(Domain(a), Domain(b), None, 0.025).relation is Relation.NONE


def test_only_edges_where_density_vanishes_are_loosened() -> None:
    loosened = []

    for seed in SEEDS:
        edge = outline(samples(400, (1.45, 1.0), seed, 2.0))
        x, y = edge.points.T
        thin, dense = (x < 0.4) & (y > 0.1) & (y < 0.9), (x > 1.3) & (y > 0.1) & (y < 0.9)
        assert edge.vanishing.min() >= 1
        assert edge.vanishing[dense].median() == 1
        loosened.append(edge.vanishing[thin].median().item())

    assert sorted(loosened)[2] > 1.5


def test_holes_in_uniform_density_are_seen() -> None:
    for seed in SEEDS:
        every = samples(500, (1.6, 1.2), seed)
        holed = every[(every - torch.tensor([0.8, 0.6])).norm(dim=1) > 0.3]
        assert Occupancy(samples(500, (1.6, 1.2), seed + 90), holed).largest_gap > 300

r"""Curves with kinks: chains of neighbours are joined around corners, and the curve keeps its length."""

import math

import pytest
import torch
from torch import Tensor

from equiv import IsometricMaps, Observations
from equiv.charts.side import chart_side
from equiv.flattening.curve_ends import join_corners, loose_ends
from equiv.metric.neighbors import NeighborGraph, neighbor_graph


def _polygon(t: Tensor, corners: Tensor, speeds: Tensor) -> tuple[Tensor, Tensor]:
    r"""A polygon run through with a speed for each side, and its frames; t in units of time."""
    sides = corners[1:] - corners[:-1]
    lasting = sides.norm(dim=1) / speeds
    start = torch.cat([torch.zeros(1).double(), lasting.cumsum(dim=0)])
    side = (torch.searchsorted(start, t, right=True) - 1).clamp(0, len(sides) - 1)
    velocity = sides / lasting[:, None]

    return corners[side] + (t - start[side])[:, None] * velocity[side], velocity[side][:, :, None]


def _time(n: int, length: float, seed: int = 0) -> Tensor:
    return length * torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Along six edges of a cube, and back.
CORNERS = torch.tensor(
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=torch.float64
)
SPEEDS = torch.tensor([1.0, 3.0, 0.5, 2.0, 1.0, 1.5], dtype=torch.float64)


def _lasting(corners: Tensor, speeds: Tensor) -> float:
    return float(((corners[1:] - corners[:-1]).norm(dim=1) / speeds).sum())


def test_an_open_polygon_is_as_long_as_it_takes() -> None:
    corners, speeds = CORNERS[:5], SPEEDS[:4]
    t = _time(400, _lasting(corners, speeds))
    flat = IsometricMaps().fit(Observations(*_polygon(t, corners, speeds)))
    u = flat.coordinates_[:, 0]
    u = u if float(u @ (t - t.mean())) > 0 else -u
    assert flat.periods_ is None
    assert float((u - t + t.mean()).abs().max() / t.std()) < 1e-4  # corrections settle at 5e-4


def test_a_closed_polygon_has_its_period() -> None:
    length = _lasting(CORNERS, SPEEDS)
    flat = IsometricMaps().fit(Observations(*_polygon(_time(600, length), CORNERS, SPEEDS)))
    assert flat.periods_ is not None
    assert abs(float(flat.periods_.abs()) / length - 1) < 1e-4


def test_a_closed_polygon_with_a_sharp_corner_has_its_period() -> None:
    r"""Two sides at 45 degrees: the lines that both ends go on along meet, as in space they do not by chance.

    To one per cent: next to so sharp a corner neighbours across it count as the curve's own.
    """
    corners = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0], [0, 0, 0]], dtype=torch.float64)
    speeds = torch.tensor([1.0, 2.0, 1.0, 0.5], dtype=torch.float64)
    length = _lasting(corners, speeds)

    for seed in range(5):
        flat = IsometricMaps().fit(Observations(*_polygon(_time(400, length, seed), corners, speeds)))
        assert flat.periods_ is not None
        assert abs(float(flat.periods_.abs()) / length - 1) < 1e-2


def test_ends_side_by_side_are_not_joined() -> None:
    r"""A hairpin's two legs end next to each other; a corner elsewhere is joined."""
    leg = torch.linspace(0, 1, 50, dtype=torch.float64)
    values = torch.cat(
        [torch.stack([leg, 0 * leg], dim=1), torch.stack([leg, 0.01 + 0 * leg], dim=1)]
    )  # both end at x = 1
    tangents = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(100, 2)
    i = torch.cat([torch.arange(49), 50 + torch.arange(49)])
    graph = NeighborGraph(i, i + 1, torch.full((98,), 0.02**2).double(), 100)
    assert sorted(loose_ends(values, tangents, graph).at.tolist()) == [0, 49, 50, 99]
    assert join_corners(values, tangents, graph) is graph


def test_the_way_around_a_corner_is_the_sum_of_both_parts() -> None:
    before = torch.stack([torch.linspace(0, 0.97, 30), torch.zeros(30)], dim=1).double()
    after = torch.stack([torch.ones(30), torch.linspace(0.02, 1, 30)], dim=1).double()
    values = torch.cat([before, after])
    tangents = torch.cat([torch.tensor([[2.0, 0.0]]).expand(30, 2), torch.tensor([[0.0, 0.5]]).expand(30, 2)])
    graph = neighbor_graph(values, (tangents / tangents.norm(dim=1)[:, None])[:, :, None].double(),
                           tangents.norm(dim=1)[:, None].double(), 4)  # fmt: skip
    assert graph.components()[0] == 2
    joined = join_corners(values, tangents.double(), graph)
    assert joined.components()[0] == 1
    new = ~torch.isin(joined.i * 60 + joined.j, graph.i * 60 + graph.j)
    assert joined.i[new].tolist() == [29] and joined.j[new].tolist() == [30]
    assert math.isclose(float(joined.squared[new]), (0.03 / 2 + 0.02 / 0.5) ** 2, rel_tol=1e-6)


def test_a_curve_that_may_be_closed_excludes_nothing() -> None:
    r"""A drop whose cusp no sample shows: what its length seems to be is no reason against anything."""
    t = torch.linspace(0.1, 2 * math.pi - 0.1, 400, dtype=torch.float64)
    values = torch.stack([t.cos(), t.sin() * (t / 2).sin() ** 3], dim=1)
    slopes = torch.stack(
        [-t.sin(), t.cos() * (t / 2).sin() ** 3 + 1.5 * t.sin() * (t / 2).sin() ** 2 * (t / 2).cos()], dim=1
    )
    side = chart_side(Observations(values, (slopes / slopes.norm(dim=1, keepdim=True))[:, :, None]))
    assert any("it may go on" in each for each in side.objections)
    assert side.roughness == math.inf


def test_a_gap_leaves_open_what_the_trapezoid_rule_misses_there() -> None:
    """Between points of a circle at an angle t the rule says 2 tan(t / 2), of which the arc is t."""
    angle = torch.linspace(0.0, 1.6, 60, dtype=torch.float64)[:, None]
    gap = 0.25
    angle = torch.where(angle > 0.8, angle + gap, angle)
    values = torch.cat([angle.sin(), angle.cos()], dim=1)
    frames = torch.cat([angle.cos(), -angle.sin()], dim=1)[:, :, None]
    widest = angle.diff(dim=0).max().item()

    # A second direction of the inputs, that the curve does not show, changes nothing.
    for columns in (frames, frames @ torch.tensor([[0.6, -0.8]], dtype=torch.float64)):
        strain = chart_side(Observations(values, columns)).strain
        assert strain is not None
        assert strain.gap == pytest.approx(math.tan(widest / 2) - widest / 2, rel=0.05)

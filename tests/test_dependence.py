r"""Samples that are no independent draws, found where nobody said so: the order of the rows."""

import itertools

import pytest
import torch
from torch import Tensor

from equiv.metric.dependence import find_draws
from equiv.metric.row_distances import distances, row_order
from equiv.observe.draws import Draws
from equiv.paired.learning_curve import Neighbours, near_errors
from equiv.regression.paired_draws import joint_rank, paired_draws


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _shuffled(values: Tensor) -> Tensor:
    return values[torch.randperm(len(values), generator=torch.Generator().manual_seed(9))]


def _autoregressive(decay: float) -> Tensor:
    r"""One number that forgets a share 1 - decay of itself at each step, and a function of it."""
    x = _normal(0, 300, 1)

    for row in range(1, len(x)):
        x[row] = decay * x[row - 1] + (1 - decay**2) ** 0.5 * x[row]

    return torch.cat([x, x.asinh()], dim=1)


def _offsets(size: int) -> Tensor:
    r"""Independent draws beside neurons that are shifted in each session."""
    session = torch.arange(300) // size

    return torch.cat([_normal(0, 300, 2), _normal(1, 300, 2) + 2 * _normal(2, 300, 4)[session, :2]], dim=1)


def test_nearness_of_next_rows_is_in_units_of_all_orders() -> None:
    values = _normal(0, 6, 2) ** 3
    found = torch.tensor(
        [row_order(distances(values[list(order)])) for order in itertools.permutations(range(6))]
    )

    assert found.mean().item() == pytest.approx(0, abs=1e-6)
    assert found.square().mean().item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "longest"),
    [(_autoregressive(0.8), 10), (_autoregressive(0.95), 40), (_offsets(10), 10), (_offsets(25), 25)],
    ids=["forgets soon", "forgets late", "short sessions", "long sessions"],
)
def test_rows_that_depend_on_the_rows_before_are_found_by_their_order(values: Tensor, longest: int) -> None:
    draws, doubted = find_draws(values)

    assert draws.independent and doubted is not None and doubted.reach == 1
    # With the stretches on either side a whole session is left out.
    assert longest / 3 <= doubted.units.bincount()[0] <= longest
    assert find_draws(_shuffled(values))[1] is None


@pytest.mark.parametrize("power", [1, 5])
def test_independent_rows_are_in_no_order(power: int) -> None:
    found = torch.tensor(
        [row_order(distances(_normal(seed, 100, 1 + seed % 4) ** power)) for seed in range(30)]
    )

    assert found.abs().max() < 4 and found.mean().abs() < 0.6


def test_frames_of_both_sides_tell_a_path_from_draws() -> None:
    # Of four coordinates each side sees two: a path through all four, where each side alone would fill its plane.
    time = torch.arange(400, dtype=torch.float64)[:, None]
    path = (0.07 * time * _normal(0, 4, 24)[:, None] + _normal(1, 4, 24)[:, None] * 9).cos().sum(dim=2).T / 3
    weight = _normal(2, 2, 5, 2)
    a, b = path[:, :2] @ weight[0].T, path[:, 2:] @ weight[1].T
    nothing = torch.zeros(400, 5, 2, dtype=torch.float64)
    frames = (
        torch.cat([weight[0].expand(400, -1, -1), nothing], dim=2),
        1e9 * torch.cat([nothing, weight[1].expand(400, -1, -1)], dim=2),
    )

    assert joint_rank(*frames) == 4 and joint_rank(frames[0]) == 2

    draws, doubted = paired_draws(a, b, None, joint_rank(*frames))

    assert draws.reach == 1 and doubted is None


def test_no_sample_of_the_same_draw_is_the_nearest() -> None:
    values, copies = _normal(0, 60, 3), torch.arange(60).repeat_interleave(4)
    jittered = values[copies] + 1e-9 * _normal(1, 240, 3)

    assert _near(jittered, Draws(copies)) == pytest.approx(_near(values, Draws.single(60)), rel=1e-6)

    # Along a line of equal steps the last of a stretch of ten is nearest to the first one beyond the next stretch.
    line = torch.arange(120, dtype=torch.float64)[:, None]
    steps = _near(line, Draws(torch.arange(120) // 10, reach=1)) / _near(line, Draws.single(120))

    assert steps == pytest.approx(11)


def _near(values: torch.Tensor, draws: Draws) -> float:
    return near_errors(Neighbours(values, draws), values, torch.zeros_like(values))[0]

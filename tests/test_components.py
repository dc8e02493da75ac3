"""Which directions of a target are determined, and the same target learned from the inputs."""

import math

import pytest
import torch
from torch import Tensor, nn

import equiv
from equiv.findings.components import Components
from equiv.observe.draws import Draws
from equiv.shared_part.components import learned_components
from equiv.shared_part.held_out import HeldOut
from equiv.shared_part.ridges import regressed


def mixed(n: int, d: int, shared: int, scale: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A pair of d neurons each with hidden shared ones among the others, turned; and B's shared directions."""
    generator = torch.Generator().manual_seed(seed)
    turns = torch.linalg.qr(torch.randn(2, d, d, generator=generator, dtype=torch.float64))[0]
    z = torch.randn(n, shared, generator=generator, dtype=torch.float64)
    own = torch.randn(2, n, d - shared, generator=generator, dtype=torch.float64)
    a = torch.cat([z, own[0]], dim=1) @ turns[0]
    b = torch.cat([scale * (z + 0.1 * z.square()), own[1]], dim=1) @ turns[1]

    return a, b, turns[1][:shared]


def components(a: Tensor, b: Tensor, draws: Draws, tolerance: float) -> Components:
    """Those that are found where the map that is given knows nothing but the mean."""
    return learned_components(a, HeldOut(b, b - b.mean(dim=0), draws), tolerance, 0.95, 0)


def test_a_hidden_shared_part_is_found() -> None:
    a, b, true = mixed(200, 10, 3)
    found = components(a, b, Draws.single(200), 0.3)
    share = 3 * 1.02 / (3 * 1.02 + 7)

    assert found.determined == 3 and found.resolved
    assert found.variance_determined.low <= share <= found.variance_determined.high
    assert torch.linalg.svdvals(found.directions[:3] @ true.T).min() > 0.99
    assert torch.allclose(found.directions @ found.directions.T, torch.eye(10).double(), atol=1e-8)
    assert [error.estimate < 0.1 for error in found.errors] == [True] * 3 + [False] * 7
    assert all(error.low <= error.estimate <= error.high for error in found.errors)


def test_a_small_shared_part_is_no_principal_subspace_and_is_found() -> None:
    a, b, _ = mixed(400, 30, 3, scale=0.5)
    found = components(a, b, Draws.single(400), 0.3)

    assert found.determined == 3


def test_strangers_share_nothing_however_few_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 60, 60, generator=generator, dtype=torch.float64)
    found = components(a, b, Draws.single(60), 0.5)

    assert found.determined == 0 and not found.resolved
    assert found.variance_determined == (0.0, 0.0, 1.0)


def test_what_groups_share_is_no_evidence() -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 40, 5, generator=generator, dtype=torch.float64).repeat_interleave(5, dim=1)
    jitter = 1e-3 * torch.randn(200, 5, generator=generator, dtype=torch.float64)
    draws = Draws(torch.arange(40).repeat_interleave(5))
    a, b = a + jitter, b + jitter
    fooled = components(a, b, Draws.single(200), 0.3)
    found = components(a, b, draws, 0.3)

    assert fooled.determined == 5 and found.determined == 0


@pytest.mark.parametrize("grouped", [False, True])
def test_errors_without_a_part_are_those_of_a_regression_on_the_rest(grouped: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = torch.randn(2, 30, 3, generator=generator, dtype=torch.float64)
    matrix = torch.exp(-torch.cdist(a, a).square() / 2)
    draws = Draws(torch.arange(30) // 3 if grouped else torch.arange(30))
    some = torch.arange(6, 15)
    rest = torch.tensor([i for i in range(30) if i not in some])
    whole = regressed(matrix, 0.1, b, draws)
    alone = regressed(matrix[rest[:, None], rest], 0.1, b[rest], draws.subset(rest))
    assert whole is not None and alone is not None

    assert torch.allclose(whole.without(some).errors, alone.errors, atol=1e-10)
    out = (draws.units == draws.units[4]).nonzero()[:, 0]
    kept = torch.tensor([i for i in range(30) if i not in out])
    weights = torch.linalg.solve(matrix[kept[:, None], kept] + 0.1 * torch.eye(len(kept)), b[kept])
    assert torch.allclose(whole.errors[out], b[out] - matrix[out][:, kept] @ weights, atol=1e-10)


def test_targets_that_never_change_have_no_components() -> None:
    a = torch.randn(50, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = components(a, torch.ones(50, 2).double(), Draws.single(50), 0.05)

    assert len(found.errors) == found.determined == 0 and math.isnan(found.variance_determined.estimate)


def test_inputs_are_held_against_the_other_network() -> None:
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(120, 3, generator=generator)
    narrow = nn.Linear(3, 1)  # forgets two of three inputs
    wide = nn.Linear(3, 5)
    found = equiv.compare(narrow, wide, x)
    assert found.a_to_b.from_inputs is not None and found.b_to_a.from_inputs is not None

    assert found.a_to_b.from_inputs.high < 1e-3 < found.a_to_b.error.low
    assert found.b_to_a.from_inputs.high < 1e-3
    recorded = equiv.compare(equiv.Observations(x), equiv.Observations(2 * x), paired=True)
    assert recorded.a_to_b.from_inputs is None
    mixed_sides = equiv.compare(equiv.Observations(narrow(x).detach()), wide, x, paired=True, frames_b=None)
    assert mixed_sides.a_to_b.from_inputs is not None and mixed_sides.a_to_b.from_inputs.high < 1e-3


def test_what_is_learned_later_does_not_follow_changes_of_the_samples() -> None:
    a, b, _ = mixed(60, 4, 2)
    one = equiv.compare(equiv.Observations(a), equiv.Observations(b), paired=True)
    other = equiv.compare(equiv.Observations(a.clone()), equiv.Observations(b.clone()), paired=True)
    assert other.a_to_b.components is not None
    a.zero_()
    b.zero_()
    assert one.a_to_b.components is not None

    assert one.a_to_b.components.to_dict() == other.a_to_b.components.to_dict()
    assert one.a_to_b.components is one.a_to_b.components

r"""Harmonics are left out, dimensions are found; closed-form eigenfunctions are the truth."""

import math

import pytest
import torch
from manifolds import DOMAINS, observe, rotate_frames

from equiv import Observations
from equiv.spectral.selection import intrinsic_dimension, select_coordinates


def modes(domain: str, x: torch.Tensor, k: int) -> torch.Tensor:
    r"""Exact eigenfunctions, ascending in eigenvalue."""
    periods = DOMAINS[domain].periods
    functions = []
    for i in range(10):
        for j in range(10 if x.shape[1] == 2 else 1):
            index, rate, factors = (i, j), 0.0, [[torch.ones_like(x[:, 0])]]
            for axis in range(x.shape[1]):
                length = DOMAINS[domain].high[axis]
                wave = (2 if periods else 1) * math.pi * index[axis] / length
                rate += wave**2
                phases = [(wave * x[:, axis]).cos()]
                if periods and index[axis]:
                    phases.append((wave * x[:, axis]).sin())
                factors.append([p * f for p in phases for f in factors[-1]])
            functions += [(rate, f) for f in factors[-1] if rate > 0]
    return torch.stack([f for _, f in sorted(functions, key=lambda pair: pair[0])[:k]], dim=1)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("interval", [0]), ("circle", [0, 1]), ("rectangle", [0, 1]), ("torus", [0, 1, 2, 3])],
)
def test_keeps_new_directions_only(domain: str, expected: list[int]) -> None:
    x = DOMAINS[domain].sample(1500, seed=1)
    assert select_coordinates(modes(domain, x, 8)).indices.tolist() == expected


def test_long_rectangle_skips_harmonics() -> None:
    # On 3.5 x 1 the second direction is the fourth eigenfunction: 1, 4 and 9 times (pi / 3.5)^2 come first.
    x = DOMAINS["square"].sample(1500, seed=2)
    along = [(j * math.pi * x[:, 0]).cos() for j in (1, 2, 3)]
    found = select_coordinates(torch.stack([*along, (math.pi * x[:, 1]).cos()], dim=1))
    assert found.indices.tolist() == [0, 3]
    # Local linear regression over a bandwidth h of a harmonic leaves O(h^2); h is about a sixth of the range.
    assert (found.residuals[1:3] < 0.2).all()
    assert found.residuals[3] > 0.9


def test_selection_does_not_depend_on_order_or_scale() -> None:
    coordinates = modes("rectangle", DOMAINS["rectangle"].sample(600, seed=3), 6)
    shuffled = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    expected = select_coordinates(coordinates).residuals
    torch.testing.assert_close(select_coordinates(coordinates[shuffled]).residuals, expected)
    torch.testing.assert_close(select_coordinates(-5 * coordinates).residuals, expected)


def test_dimension_is_the_rank_of_exact_frames() -> None:
    for domain in ("interval", "square", "cube"):
        obs = observe(DOMAINS[domain], DOMAINS[domain].sample(200), 8, seed=0)
        found = intrinsic_dimension(Observations(obs.values, rotate_frames(obs.frames)))
        assert found.estimate == DOMAINS[domain].dimension
        assert found.shares[found.estimate] == 1
        assert math.isinf(found.gap)


def test_dimension_of_rank_deficient_frames() -> None:
    # A network that ignores its third input.
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(200), 8, seed=0)
    padded = torch.cat([obs.frames, torch.zeros_like(obs.frames[:, :, :1])], dim=2)
    found = intrinsic_dimension(Observations(obs.values, rotate_frames(padded)))
    assert found.estimate == 2
    assert found.gap > 1e10


def test_dimension_of_bursts_by_the_fall_of_the_spectrum() -> None:
    domain = DOMAINS["square"]
    x = domain.sample(200)
    generator = torch.Generator().manual_seed(0)
    burst = x[:, None] + 1e-3 * torch.randn(200, 30, 2, generator=generator, dtype=torch.float64)
    values = observe(domain, burst.reshape(-1, 2), 6, seed=0).values.reshape(200, 30, 6)
    values = values + 1e-5 * torch.randn(values.shape, generator=generator, dtype=torch.float64)
    spread = (values - values.mean(dim=1, keepdim=True)).mT / (1e-3 * 29**0.5)
    left, singular, _ = torch.linalg.svd(spread, full_matrices=False)
    obs = Observations(values.mean(dim=1), left * singular[:, None], burst_size=30)
    found = intrinsic_dimension(obs)
    assert found.estimate == 2
    assert found.shares[2] > 0.95
    assert found.gap > 10


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="'coordinates' should hold at least"):
        select_coordinates(torch.randn(5, 4))
    with pytest.raises(ValueError, match="constant"):
        select_coordinates(torch.ones(50, 2))
    with pytest.raises(ValueError, match="should have frames"):
        intrinsic_dimension(Observations(torch.randn(5, 4)))
    with pytest.raises(ValueError, match="not all zero"):
        intrinsic_dimension(Observations(torch.randn(5, 4), torch.zeros(5, 4, 2)))

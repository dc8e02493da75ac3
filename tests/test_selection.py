r"""Harmonics are left out; closed-form eigenfunctions are the truth."""

import math

import pytest
import torch
from manifolds import DOMAINS

import equiv
from equiv.spectral.selection import regression_residuals


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
    assert equiv.select_coordinates(modes(domain, x, 8)).tolist() == expected


def test_long_rectangle_skips_harmonics() -> None:
    # On 3.5 x 1 the second direction is the fourth eigenfunction: 1, 4 and 9 times (pi / 3.5)^2 come first.
    x = DOMAINS["square"].sample(1500, seed=2)
    along = [(j * math.pi * x[:, 0]).cos() for j in (1, 2, 3)]
    coordinates = torch.stack([*along, (math.pi * x[:, 1]).cos()], dim=1)
    assert equiv.select_coordinates(coordinates).tolist() == [0, 3]
    # Local linear regression over a bandwidth h of a harmonic leaves O(h^2); h is about a sixth of the range.
    residuals = regression_residuals(coordinates)
    assert (residuals[1:3] < 0.2).all()
    assert residuals[3] > 0.9


def test_products_of_two_directions_are_not_new() -> None:
    # All cos(k pi x) cos(l pi y) are functions of the two with k + l = 1.
    x = DOMAINS["square"].sample(1500, seed=4)
    numbers = [(1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)]
    coordinates = torch.stack([(math.pi * torch.tensor(k) * x).cos().prod(dim=1) for k in numbers], dim=1)
    assert equiv.select_coordinates(coordinates).tolist() == [0, 2]


def test_as_many_as_asked_for_are_those_with_the_largest_residuals() -> None:
    x = DOMAINS["torus"].sample(1500, seed=1)
    coordinates = modes("torus", x, 8)
    assert equiv.select_coordinates(coordinates, n=1).tolist() == [0]
    assert equiv.select_coordinates(coordinates, n=4).tolist() == [0, 1, 2, 3]
    assert equiv.select_coordinates(coordinates, n=8).tolist() == list(range(8))


def test_selection_does_not_depend_on_order_or_scale() -> None:
    coordinates = modes("rectangle", DOMAINS["rectangle"].sample(600, seed=3), 6)
    shuffled = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    expected = regression_residuals(coordinates)
    torch.testing.assert_close(regression_residuals(coordinates[shuffled]), expected)
    torch.testing.assert_close(regression_residuals(-5 * coordinates), expected)


def test_selection_takes_arrays_and_coordinates_of_maps() -> None:
    angle = torch.arange(300, dtype=torch.float64) / 300 * 2 * math.pi
    values = torch.stack([angle.cos(), angle.sin()], dim=1)
    frames = torch.stack([-angle.sin(), angle.cos()], dim=1)[:, :, None]
    maps = equiv.GalerkinMaps(6, 60).fit(equiv.Observations(values, frames))
    assert equiv.select_coordinates(maps.coordinates_).tolist() == [0, 1]
    assert equiv.select_coordinates(maps.coordinates_.float().numpy()).tolist() == [0, 1]


def test_two_clouds_are_told_apart_and_no_number_is_lost() -> None:
    # The first coordinate says which of two clouds a sample is in: most of its distances are zero.
    cloud = torch.arange(300) % 3 > 0
    inside = torch.randn(300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coordinates = torch.stack([cloud.double(), inside], dim=1)
    assert equiv.select_coordinates(coordinates).tolist() == [0, 1]


def test_bad_input_is_refused() -> None:
    coordinates = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="'coordinates' should hold at least"):
        equiv.select_coordinates(coordinates[:5])
    with pytest.raises(ValueError, match="constant"):
        equiv.select_coordinates(torch.ones(50, 2))
    with pytest.raises(ValueError, match="'coordinates' should have shape"):
        equiv.select_coordinates(coordinates[:, 0])
    with pytest.raises(ValueError, match="'coordinates' should be finite"):
        equiv.select_coordinates(coordinates.where(coordinates < 1, torch.nan))
    with pytest.raises(TypeError, match="'coordinates' should be float32 or float64"):
        equiv.select_coordinates(coordinates.long())
    with pytest.raises(ValueError, match="'n' should be at most 4"):
        equiv.select_coordinates(coordinates, n=5)
    with pytest.raises(ValueError, match="'n' should be an integer of at least 1"):
        equiv.select_coordinates(coordinates, n=0)

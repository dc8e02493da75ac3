r"""Maps through the inverse of the other direction: against closed forms and a known swirl."""

import math
from pathlib import Path

import pytest
import torch
from manifolds import plain, pushed_forward, random, swirled, uniform
from torch import Tensor

from equiv.comparison import Comparison, load
from equiv.coordinates.preimages import gauss_newton_step, preimages
from equiv.observe.observations import Observations
from equiv.paired.compare import compare_paired
from equiv.regression.hermite import fit_map
from equiv.regression.inverse import fit_inverse
from equiv.regression.inverse_map import InverseMap
from equiv.regression.kernel_map import Fit


def test_preimages_are_found_from_the_start_that_leads_there() -> None:
    def polar(points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        r, angle = points.T
        slopes = [[angle.cos(), -r * angle.sin()], [angle.sin(), r * angle.cos()]]

        return (
            torch.stack([r * angle.cos(), r * angle.sin()], dim=1),
            torch.stack([torch.stack(row, dim=1) for row in slopes], dim=1),
        )

    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)).double() + 0.5
    values = polar(points, points)[0]
    stuck = torch.zeros_like(points)  # at the origin the angle does not matter
    stuck[:, 1] = points[:, 1] + math.pi / 2
    starts = torch.stack([stuck, points + 0.1], dim=1)
    found, misfit = preimages(polar, values, starts, 1e-6)

    torch.testing.assert_close(found, points, rtol=0, atol=1e-6)
    assert misfit.max() < 1e-6


def test_gauss_newton_step_solves_linear_equations() -> None:
    slopes, step = random(6, 4, 2), random(6, 2, seed=1)

    torch.testing.assert_close(gauss_newton_step(slopes, (slopes @ step[:, :, None])[:, :, 0]), step)


@pytest.fixture(scope="module")
def fits() -> tuple[Fit, Fit]:
    r"""The direct map from the swirled square to the plain one, and the map through the inverse."""
    x = uniform(400, 2, 1)
    pairs = (swirled(x), plain(x), pushed_forward(swirled, x), pushed_forward(plain, x))
    direct = fit_map(*pairs)

    return direct, fit_inverse(direct, *pairs, x)


def _errors(map_: torch.nn.Module, x: Tensor) -> Tensor:
    truth = plain(x)

    return (map_(swirled(x)) - truth).square().sum(dim=1) / (truth - truth.mean(dim=0)).square().sum(
        dim=1
    ).mean()


def test_a_swirl_is_undone_better_by_inverting_it(fits: tuple[Fit, Fit]) -> None:
    direct, inverse = fits
    x = uniform(5000, 2, 2)
    before, after = (_errors(fit.map, x).mean().sqrt() for fit in (direct, inverse))

    assert isinstance(inverse.map, InverseMap)
    assert after < 0.7 * before
    # Held-out errors are those of fresh inputs, up to the scatter of 400 samples.
    assert 0.5 < inverse.squared.mean().sqrt() / after < 2


def test_its_derivative_is_the_quotient_of_thepushed_forward(fits: tuple[Fit, Fit]) -> None:
    x = 0.5 * uniform(50, 2, 3)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda y: fits[1].map(y[None])[0]))(swirled(x))
    truth = pushed_forward(plain, x)

    assert (jacobians @ pushed_forward(swirled, x) - truth).norm() < 0.02 * truth.norm()


@pytest.fixture(scope="module")
def sides() -> tuple[Observations, Observations]:
    r"""The swirled square and the plain one, of samples enough for a verdict by the inverse alone."""
    x = uniform(600, 2, 1)

    return tuple(Observations(network(x), pushed_forward(network, x)) for network in (swirled, plain))


@pytest.fixture(scope="module")
def found(sides: tuple[Observations, Observations]) -> Comparison:
    return compare_paired(*sides)


@pytest.mark.slow
def test_comparison_uses_it_and_is_loaded_bit_for_bit(found: Comparison, tmp_path: Path) -> None:
    found.save(tmp_path)
    values = swirled(uniform(50, 2, 4))
    loaded, mapped = load(tmp_path).transformation, found.transformation(values)

    assert isinstance(found.transformation.there, InverseMap)
    assert found.verdict == "equivalent"
    assert torch.equal(loaded(values), mapped)
    assert not loaded.extrapolates(values).any()
    single = found.transformation(values.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), mapped, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_comparison_by_it_is_mirrored(sides: tuple[Observations, Observations], found: Comparison) -> None:
    mirrored = compare_paired(*reversed(sides))

    assert isinstance(mirrored.transformation.back, InverseMap)
    assert mirrored.verdict == "equivalent"
    assert mirrored.b_to_a.error == found.a_to_b.error


def test_a_map_that_is_good_or_hopeless_stays(fits: tuple[Fit, Fit]) -> None:
    x = uniform(60, 2, 5)
    pairs = (plain(x), x.square(), pushed_forward(plain, x), pushed_forward(torch.square, x))
    good = fit_map(*pairs)
    folded = fit_map(pairs[1], pairs[0], pairs[3], pairs[2])

    assert fit_inverse(good, *pairs, x) is good
    assert fit_inverse(folded, pairs[1], pairs[0], pairs[3], pairs[2], x) is folded


def test_only_undecided_directions_try_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def stays(direct: Fit, *_: object) -> Fit:
        tried.append(direct)

        return direct

    monkeypatch.setattr("equiv.paired.direction.fit_inverse", stays)
    x = uniform(400, 2, 1)
    a, b = (Observations(network(x), pushed_forward(network, x)) for network in (swirled, plain))

    assert compare_paired(a, b, tolerance=0.3).verdict == "equivalent"
    assert not tried
    assert compare_paired(a, b).verdict == "inconclusive"
    assert len(tried) == 1

r"""A scale belongs to a neuron: numbers whose squares overflow or vanish are compared as if they were ordinary."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from manifolds import observed, surface, uniform
from torch import Tensor

import equiv
from equiv import Observations, baselines
from equiv.charts.isometric import IsometricMaps
from equiv.metric.binary_scale import binary_scale, binary_scales

SCALES = (1e160, 1e-165, 1e300, -1e200)
POWER = 2.0**531


def _observed(x: Tensor, scale: float | Tensor = 1.0, unit: float = 1.0) -> Observations:
    r"""A bent surface, its neurons times `scale`, its inputs in other units."""
    factor = torch.as_tensor(scale, dtype=torch.float64)
    plain = observed(surface, x)
    assert plain.frames is not None

    return Observations(plain.values * factor, plain.frames * factor[..., None] * unit)


def _one(scale: float) -> Tensor:
    return torch.tensor([scale, 1.0, 1.0, 1.0], dtype=torch.float64)


def test_ordinary_numbers_are_left_as_they_are() -> None:
    obs = _observed(uniform(20, 2), torch.tensor([1e-12, 1.0, 1e6, 1e15]))

    assert binary_scale(obs.values, obs.frames).plain
    assert binary_scale(obs.values, obs.frames).observations(obs) is obs


@pytest.mark.parametrize("scale", [*SCALES, _one(1e160), _one(1e-200), _one(1e-300) * 1e150])
def test_scaled_numbers_are_ordinary_and_keep_every_digit(scale: float | Tensor) -> None:
    given = _observed(uniform(20, 2), scale)
    found = binary_scale(given.values, given.frames)
    scaled = found.observations(given)

    assert torch.equal(torch.frexp(found.neurons).mantissa, torch.full((4,), 0.5, dtype=torch.float64))
    assert torch.equal(scaled.values / found.neurons, given.values)
    assert torch.equal(scaled.frames / found.neurons[:, None] * found.lengths, given.frames)
    assert (scaled.values.abs().amax(dim=0).log2().abs() < 64).all()
    # As targets, and for the rank of frames, the faint are next to nothing, and still not nothing.
    assert (scaled.frames.abs().amax(dim=(0, 2)).log2() > -30).all()


def test_sides_share_the_unit_of_their_inputs() -> None:
    x = uniform(20, 2)
    sides = [_observed(x, unit=1e140), _observed(x, 1e160, unit=1e145)]
    scales = binary_scales([(obs.values, obs.frames) for obs in sides])

    assert scales[0].lengths == scales[1].lengths > 1e140


def test_a_constant_neuron_changes_nothing_however_large() -> None:
    x = uniform(40, 2)
    obs = _observed(x)
    constant = torch.full((40, 1), 1.7e308, dtype=torch.float64)
    joined = Observations(
        torch.cat([obs.values, constant], dim=1), torch.cat([obs.frames, 0 * obs.frames[:, :1]], dim=1)
    )

    torch.testing.assert_close(equiv.mahalanobis(joined), equiv.mahalanobis(obs), rtol=1e-12, atol=1e-13)
    assert torch.equal(equiv.select_neurons(joined, 3), equiv.select_neurons(obs, 3))


def test_powers_of_two_change_no_bit_of_distances() -> None:
    obs, other = _observed(uniform(40, 2)), _observed(uniform(10, 2, seed=1))
    large, larger = (Observations(each.values * POWER, each.frames * POWER) for each in (obs, other))

    torch.testing.assert_close(equiv.mahalanobis(large), equiv.mahalanobis(obs), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(
        equiv.mahalanobis(large, larger), equiv.mahalanobis(obs, other), rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize("scale", [1e160, -1e-165])
def test_a_reconstruction_has_the_same_error_and_the_same_map(scale: float) -> None:
    values = surface(uniform(80, 2))
    plain, found = (
        equiv.reconstruct(values[:, :3] * factor, values[:, 3:] / factor, seed=1) for factor in (1.0, scale)
    )

    assert found.error.high == pytest.approx(plain.error.high, rel=0.01)
    torch.testing.assert_close(
        found.predict(values[:, :3] * scale) * scale, plain.predict(values[:, :3]), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(("scale", "kind"), [(1e160, "all"), (1e-165, "one")])
def test_pairs_are_compared_alike(scale: float, kind: str, tmp_path: Path) -> None:
    values = surface(uniform(80, 2))
    factor = _one(scale) if kind == "one" else torch.full((4,), scale, dtype=torch.float64)
    found = equiv.compare(Observations(values * factor), Observations(values.square()), paired=True)
    plain = equiv.compare(Observations(values), Observations(values.square()), paired=True)
    again = found.transformation(values * factor)
    found.save(tmp_path)

    # One neuron of 1e160 is nearly all of the spread where it is a target.
    assert kind == "one" or found.verdict == plain.verdict
    assert found.a_to_b.error.high == pytest.approx(plain.a_to_b.error.high, rel=0.01)
    torch.testing.assert_close(again, plain.transformation(values), rtol=1e-5, atol=1e-5)
    assert torch.equal(equiv.load(tmp_path).transformation(values * factor), again)
    assert not found.transformation.extrapolates(values * factor).any()
    assert found.transformation.extrapolates(torch.full_like(values[:1], math.nan)).all()


@pytest.mark.parametrize("scale", [1e160, _one(1e160), _one(1e-165)])
def test_eigenfunctions_are_those_of_ordinary_neurons(scale: float | Tensor) -> None:
    x = uniform(150, 2)
    plain, given = _observed(x), _observed(x, scale)
    makers: list[Callable[[], equiv.DiffusionMaps | equiv.GalerkinMaps]]
    makers = [lambda: equiv.DiffusionMaps(3), lambda: equiv.GalerkinMaps(3, 40)]

    for make in makers:
        one, other = make().fit(plain), make().fit(given)

        torch.testing.assert_close(other.eigenvalues_, one.eigenvalues_, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(
            other.transform(given.values, given.frames), other.coordinates_, rtol=1e-9, atol=1e-9
        )
        torch.testing.assert_close(other.coordinates_.abs(), one.coordinates_.abs(), rtol=1e-5, atol=1e-5)


def test_the_unit_of_inputs_is_that_of_coordinates_and_eigenvalues() -> None:
    x, unit = uniform(150, 2), 2.0**120
    plain, given = _observed(x), _observed(x, unit=unit)
    flat, flatter = IsometricMaps().fit(plain), IsometricMaps().fit(given)
    maps, other = equiv.GalerkinMaps(3, 40).fit(plain), equiv.GalerkinMaps(3, 40).fit(given)

    torch.testing.assert_close(flatter.coordinates_ * unit, flat.coordinates_)
    torch.testing.assert_close(flatter.transform(given.values) * unit, flat.transform(plain.values))
    torch.testing.assert_close(
        flatter.inverse_transform(flatter.coordinates_), flat.inverse_transform(flat.coordinates_)
    )
    torch.testing.assert_close(other.eigenvalues_ / unit / unit, maps.eigenvalues_)
    torch.testing.assert_close(equiv.mahalanobis(given) * unit * unit, equiv.mahalanobis(plain))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "unit"), [(1e160, 1.0), (1e-165, 1.0), (_one(1e160), 1.0), (_one(1e-165), 1.0), (1.0, 1e160)]
)
def test_unpaired_samples_are_compared_alike(scale: float | Tensor, unit: float) -> None:
    x, y = uniform(300, 2), uniform(280, 2, seed=1)
    anchors = torch.stack([torch.arange(4), torch.arange(4)], dim=1)
    y = torch.cat([x[:4], y])
    a, b = _observed(x, scale, unit), _observed(y, unit=unit)
    plain = equiv.compare(_observed(x), _observed(y), paired=False, anchors=anchors)
    found = equiv.compare(a, b, paired=False, anchors=anchors)

    assert found.verdict == plain.verdict == "equivalent"
    assert found.a_to_b.error.high == pytest.approx(plain.a_to_b.error.high, rel=0.3)
    torch.testing.assert_close(
        found.transformation(a.values), plain.transformation(surface(x)), rtol=1e-2, atol=1e-2
    )
    assert found.chart_a is not None
    assert not found.chart_a.extrapolates(a.values).any()
    torch.testing.assert_close(
        found.chart_a.lift(found.chart_a.restrict(a.values)) / torch.as_tensor(scale, dtype=torch.float64),
        surface(x),
        rtol=1e-2,
        atol=1e-2,
    )


@pytest.mark.parametrize(
    "name", ["linear_cka", "debiased_cka", "rbf_cka", "svcca", "pwcca", "procrustes", "rsa"]
)
def test_measures_know_no_scale(name: str) -> None:
    values = surface(uniform(60, 2))
    measure = getattr(baselines, name)

    assert measure(values * 1e160, values.square() * 1e-160) == pytest.approx(
        measure(values, values.square())
    )

r"""What every estimator of coordinates holds to: a new one joins by an entry in `CASES`."""

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from manifolds import DOMAINS, observe, rotate_frames
from torch import Tensor

import equiv
from equiv import DiffusionMaps, GalerkinMaps, IsometricMaps, Observations

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]
RECTANGLE = DOMAINS["rectangle"]


@dataclass(frozen=True)
class Case:
    r"""An estimator of coordinates.

    Attributes:
        make: One that is not fitted.
        columns: How many coordinates it finds of a rectangle.
        exact: Largest RMS difference between `transform` at the samples, given their frames, and `coordinates_`.
        order: Largest RMS difference that another order of the samples makes, up to a motion.
        single: Largest RMS difference that single precision makes, likewise.
    """

    make: Callable[[], Any]
    columns: int
    exact: float = 1e-9
    order: float = 1e-6
    single: float = 1e-3


CASES = {
    "diffusion maps": Case(lambda: DiffusionMaps(3), 3),
    "galerkin maps": Case(lambda: GalerkinMaps(3, n_basis=60), 3),
    "isometric maps": Case(IsometricMaps, 2, exact=1e-3),
}


def sample(n: int = 250, seed: int = 0) -> Observations:
    return observe(RECTANGLE, RECTANGLE.sample(n, seed), 5, seed=1)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    r"""Each of them, fitted to one sample."""
    return {name: case.make().fit(sample()) for name, case in CASES.items()}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, fitted: dict[str, Any]) -> tuple[Case, Any]:
    return CASES[request.param], fitted[request.param]


def apart(found: Tensor, expected: Tensor) -> float:
    r"""RMS difference over the RMS of the coordinates, after the best orthogonal map."""
    left, _, right = torch.linalg.svd(found.double().T @ expected.double())

    return ((found.double() @ (left @ right) - expected).norm() / expected.norm()).item()


def test_every_estimator_is_here() -> None:
    public = {name for name, kind in vars(equiv).items() if inspect.isclass(kind) and hasattr(kind, "fit")}

    assert public == {type(case.make()).__name__ for case in CASES.values()}


def test_shapes(case: tuple[Case, Any]) -> None:
    given, maps = case
    fresh = sample(20, seed=5)
    found = maps.transform(fresh.values, fresh.frames)

    assert maps.coordinates_.shape == (250, given.columns)
    assert found.shape == (20, given.columns) and found.isfinite().all()
    assert given.make().fit(sample(60)).coordinates_.shape == (60, given.columns)


def test_fit_returns_itself_and_forgets_what_was_before(case: tuple[Case, Any]) -> None:
    given, maps = case
    again = given.make()

    assert again.fit(sample(100, seed=3)) is again
    assert torch.equal(again.fit(sample()).coordinates_, maps.coordinates_)


def test_samples_are_mapped_to_their_coordinates(case: tuple[Case, Any]) -> None:
    given, maps = case
    obs = sample()

    for frames in (obs.frames, None):
        found = maps.transform(obs.values, frames)
        assert (found - maps.coordinates_).norm() < given.exact * maps.coordinates_.norm()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_single_precision_is_taken_and_loses_no_more_than_its_rounding(
    case: tuple[Case, Any], dtype: torch.dtype
) -> None:
    given, maps = case
    obs = sample().to(dtype)
    found = given.make().fit(obs)

    assert found.coordinates_.dtype in (dtype, torch.float64)
    assert found.transform(obs.values).dtype in (dtype, torch.float64)
    assert apart(found.coordinates_, maps.coordinates_) < (given.single if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_stays_where_the_samples_are(case: tuple[Case, Any], device: str) -> None:
    given, maps = case
    obs = sample().to(device)
    found = given.make().fit(obs)

    assert found.coordinates_.device.type == device == found.transform(obs.values).device.type
    assert apart(found.coordinates_.cpu(), maps.coordinates_) < given.order


def test_neither_the_order_of_samples_nor_the_turn_of_frames_matters(case: tuple[Case, Any]) -> None:
    given, maps = case
    obs = sample()
    assert obs.frames is not None
    order = torch.randperm(len(obs), generator=torch.Generator().manual_seed(0))
    turned = Observations(obs.values, rotate_frames(obs.frames, seed=1)).subset(order)

    assert apart(given.make().fit(turned).coordinates_, maps.coordinates_[order]) < given.order


def test_rows_are_mapped_one_by_one(case: tuple[Case, Any]) -> None:
    _, maps = case
    values = sample(30, seed=5).values
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    image = maps.transform(values)

    torch.testing.assert_close(maps.transform(values[order]), image[order], rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(
        torch.cat([maps.transform(row[None]) for row in values]), image, rtol=1e-7, atol=1e-7
    )


def test_pickled_and_copied_bit_for_bit(case: tuple[Case, Any]) -> None:
    _, maps = case
    values = sample(30, seed=5).values

    for again in (pickle.loads(pickle.dumps(maps)), copy.deepcopy(maps)):
        assert torch.equal(again.coordinates_, maps.coordinates_)
        assert torch.equal(again.transform(values), maps.transform(values))


def test_derivatives_are_those_of_finite_differences(case: tuple[Case, Any]) -> None:
    _, maps = case
    values = sample(3, seed=5).values

    if hasattr(maps, "chart_"):  # whose derivatives leave out the curvature of what is off the manifold
        values = maps.chart_.lift(maps.chart_.restrict(values))

    assert torch.autograd.gradcheck(maps.transform, (values.clone().requires_grad_(),), atol=1e-3, rtol=1e-3)


def test_nothing_else_changes(case: tuple[Case, Any]) -> None:
    given, _ = case
    obs, same = sample(100), sample(100)
    state = torch.get_rng_state()
    given.make().fit(obs).transform(obs.values, obs.frames)

    assert torch.equal(obs.values, same.values) and torch.equal(obs.frames, same.frames)
    assert torch.equal(torch.get_rng_state(), state)


def test_before_it_is_fitted_it_says_so(case: tuple[Case, Any]) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*fit[^\n]*\.$"):
        case[0].make().transform(sample(5).values)


def test_what_it_was_not_fitted_to_is_refused_in_a_sentence(case: tuple[Case, Any]) -> None:
    _, maps = case
    values = sample(5).values
    bad = torch.where(torch.eye(5, dtype=torch.bool), math.nan, values)

    for wrong in (values[0], values[:, :3], torch.cat([values, values], dim=1), values[:0], bad):
        with pytest.raises(ValueError, match=r"^'values' should [^\n]* got [^\n]*\.$"):
            maps.transform(wrong)

    for wrong in (values.long(), values.bfloat16(), values.tolist(), None):
        with pytest.raises(TypeError, match=r"^'values' should [^\n]* got [^\n]*\.$"):
            maps.transform(wrong)


def test_what_are_no_observations_is_refused_in_a_sentence(case: tuple[Case, Any]) -> None:
    given, _ = case
    obs = sample(60)

    with pytest.raises(TypeError, match=r"^'obs\w*' should be equiv.Observations, got Tensor[^\n]*\.$"):
        given.make().fit(obs.values)

    for few in (obs.subset(torch.arange(3)), Observations(obs.values[:1].expand(60, -1), obs.frames)):
        with pytest.raises(ValueError, match=r"^'obs\w*' should [^\n]* got [^\n]*\.$"):
            given.make().fit(few)


# Functions of observations: a number for each sample, or for each pair.
FUNCTIONS = {
    "mahalanobis": (equiv.mahalanobis, 2),
    "density_weights": (lambda obs: equiv.density_weights(obs, n_features=10), 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("device", DEVICES)
def test_functions_of_observations(name: str, device: str) -> None:
    function, axes = FUNCTIONS[name]
    obs, same = sample(500), sample(500)
    assert obs.frames is not None and same.frames is not None
    state = torch.get_rng_state()
    found = function(obs)

    assert found.shape == (500,) * axes and found.dtype == torch.float64 and found.isfinite().all()
    assert torch.equal(obs.values, same.values) and torch.equal(obs.frames, same.frames)
    assert torch.equal(torch.get_rng_state(), state)
    moved = function(obs.to(device))
    assert moved.device.type == device
    torch.testing.assert_close(moved.cpu(), found, rtol=1e-6, atol=1e-9)

    single = function(obs.to(torch.float32))
    assert single.dtype == torch.float64 and (single - found).norm() < 1e-3 * found.norm()

    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    turned = function(Observations(obs.values, rotate_frames(obs.frames, seed=1)).subset(order))
    expected = found[order] if axes == 1 else found[order][:, order]
    assert (turned - expected).norm() < 1e-6 * found.norm()

    with pytest.raises(TypeError, match=r"^'obs\w*' should be equiv.Observations, got Tensor[^\n]*\.$"):
        function(obs.values)
    with pytest.raises(ValueError, match=r"^'obs\w*' should have frames[^\n]* got [^\n]*\.$"):
        function(Observations(obs.values))

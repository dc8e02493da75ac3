r"""What every map between activations holds to: a new one joins by an entry in `CASES`."""

import copy
import functools
import importlib
import io
import json
import pickle
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from comparisons import comparison
from manifolds import plain, pushed_forward, swirled, uniform
from torch import Tensor, nn

import equiv
from equiv.metric.rescaled_map import RescaledMap
from equiv.regression.hermite import fit_map
from equiv.regression.inverse import fit_inverse
from equiv.transformation import MAPS, NoMap, Transformation, build, describe

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@dataclass(frozen=True)
class Case:
    r"""A map, and values that it was built for.

    Attributes:
        make: The map and values `(q, d)`, float64, q at least 12, where it does not extrapolate.
        exports: Whether `torch.export` is to take it: where it can, and no other of its class has.
        slack: Largest error of its derivative, which is not that of the map where a search is stopped or held back.
    """

    make: Callable[[], tuple[nn.Module, Tensor]]
    exports: bool = True
    slack: float = 1e-3


def _charted(name: str, which: Callable[[equiv.Comparison], nn.Module]) -> tuple[nn.Module, Tensor]:
    r"""A map that starts at A's chart, and points on it."""
    result = comparison(name)
    chart = result.chart_a
    assert chart is not None

    return which(result), chart.lift(chart.get_buffer("anchor_coordinates")[20:40])


def _regression() -> tuple[nn.Module, Tensor]:
    x = uniform(80, 2)
    pairs = (plain(x), swirled(x), pushed_forward(plain, x), pushed_forward(swirled, x))

    return fit_map(*pairs).map, plain(0.8 * uniform(20, 2, seed=1))


def _affine() -> tuple[nn.Module, Tensor]:
    x = uniform(80, 4)

    return fit_map(x, x @ uniform(4, 3, seed=2) + 1, None, None).map, uniform(20, 4, seed=1)


def _rescaled() -> tuple[nn.Module, Tensor]:
    inner, values = _affine()
    source = torch.tensor([2.0**20, 2.0, 1.0, 2.0**-10], dtype=torch.float64)
    target = torch.tensor([1.0, 2.0**12, 2.0**-3], dtype=torch.float64)

    return RescaledMap(inner, source, target), values / source


def _neuronwise() -> tuple[nn.Module, Tensor]:
    x = uniform(80, 4)
    target = (3 * x[:, [2, 0, 3]]).to(torch.bfloat16).double()

    return fit_map(x, target, None, None).map, uniform(20, 4, seed=1)


def _inverse() -> tuple[nn.Module, Tensor]:
    x = uniform(250, 2)
    pairs = (swirled(x), plain(x), pushed_forward(swirled, x), pushed_forward(plain, x))

    return fit_inverse(fit_map(*pairs), *pairs, x).map, swirled(0.5 * uniform(20, 2, seed=1))


CASES = {
    "chart": Case(lambda: _charted("torus", lambda found: found.chart_a)),
    "chart map": Case(lambda: _charted("plane", lambda found: found.transformation.there)),
    "covering": Case(
        lambda: _charted("double cover", lambda found: found.transformation.there), exports=False
    ),
    "projection": Case(
        lambda: _charted("one of two inputs", lambda found: found.transformation.there), exports=False
    ),
    "kernel map": Case(_regression),
    "affine map": Case(_affine),
    "rescaled map": Case(_rescaled),
    "neuron map": Case(_neuronwise),
    "inverse map": Case(_inverse, exports=False, slack=5e-3),
    "transformation": Case(lambda: _charted("plane", lambda found: found.transformation)),
    "half a transformation": Case(lambda: (Transformation(_affine()[0], NoMap("no reason.")), _affine()[1])),
}


@functools.cache
def made(name: str) -> tuple[nn.Module, Tensor]:
    return CASES[name].make()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Case, nn.Module, Tensor]:
    return CASES[request.param], *made(request.param)


def same(one: nn.Module, other: nn.Module, values: Tensor) -> bool:
    r"""Whether two maps are the same, bit for bit."""
    tensors, others = one.state_dict(), other.state_dict()

    return (
        type(one) is type(other)
        and describe(one) == describe(other)
        and tensors.keys() == others.keys()
        and all(torch.equal(tensors[key], others[key]) for key in tensors)
        and torch.equal(one(values), other(values))
    )


def close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((found - expected).norm() <= tolerance * expected.norm())


def test_every_map_is_here() -> None:
    for module in pkgutil.walk_packages(equiv.__path__, "equiv."):
        importlib.import_module(module.name)

    assert {*MAPS} == {type(made(name)[0]).__name__ for name in CASES} | {"NoMap"}


def test_shapes(case: tuple[Case, nn.Module, Tensor]) -> None:
    _, map_, values = case
    image = map_(values)

    assert image.ndim == 2 and len(image) == len(values) and image.isfinite().all()
    assert map_.extrapolates(values).shape == (len(values),)
    assert map_.extrapolates(values).dtype == torch.bool
    assert not map_.extrapolates(values).any()
    assert map_.extrapolates(values + 100 * values.std()).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e300, -1e200])
def test_nothing_that_is_no_number_or_beyond_all_is_inside(
    case: tuple[Case, nn.Module, Tensor], value: float
) -> None:
    _, map_, values = case
    spoilt = values.clone()
    spoilt[1, 0] = spoilt[3, -1] = spoilt[4] = value
    expected = torch.zeros(len(values), dtype=torch.bool)
    expected[[1, 3, 4]] = True

    assert torch.equal(map_.extrapolates(spoilt), expected)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 0.0), (torch.float32, 1e-5), (torch.bfloat16, 0.1)]
)
def test_keeps_the_dtype_and_computes_in_double(
    case: tuple[Case, nn.Module, Tensor], dtype: torch.dtype, tolerance: float
) -> None:
    _, map_, values = case
    given = values.to(dtype)
    found = map_(given)

    assert found.dtype == dtype
    # What is lost is the rounding of what came and of what goes.
    assert torch.equal(found, map_(given.double()).to(dtype))
    assert close(found.double(), map_(values), tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_moved_to_another_dtype_it_stays_as_it_is(
    case: tuple[Case, nn.Module, Tensor], dtype: torch.dtype
) -> None:
    _, map_, values = case

    assert same(copy.deepcopy(map_).to(dtype), map_, values)


@pytest.mark.parametrize("device", DEVICES)
def test_goes_where_it_is_sent(case: tuple[Case, nn.Module, Tensor], device: str) -> None:
    _, map_, values = case
    moved = copy.deepcopy(map_).to(device)
    found = moved(values.to(device))

    assert found.device.type == device and moved.extrapolates(values.to(device)).device.type == device
    assert close(found.cpu(), map_(values), 1e-6)


def test_rows_are_mapped_one_by_one(case: tuple[Case, nn.Module, Tensor]) -> None:
    _, map_, values = case
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))
    image = map_(values)

    assert close(map_(values[order]), image[order], 1e-9)
    assert close(torch.cat([map_(row[None]) for row in values]), image, 1e-9)
    assert torch.equal(map_.extrapolates(values[order]), map_.extrapolates(values)[order])


def test_no_rows_are_no_rows(case: tuple[Case, nn.Module, Tensor]) -> None:
    _, map_, values = case

    assert map_(values[:0]).shape == (0, map_(values).shape[1])
    assert map_.extrapolates(values[:0]).shape == (0,)


def test_described_and_built_bit_for_bit(case: tuple[Case, nn.Module, Tensor]) -> None:
    _, map_, values = case
    description = json.loads(json.dumps(describe(map_), allow_nan=False))

    assert same(build(description, map_.state_dict()), map_, values)


def test_pickled_saved_and_copied_bit_for_bit(case: tuple[Case, nn.Module, Tensor]) -> None:
    _, map_, values = case
    file = io.BytesIO()
    torch.save(map_, file)
    file.seek(0)

    assert same(pickle.loads(pickle.dumps(map_)), map_, values)
    assert same(torch.load(file, weights_only=False), map_, values)
    assert same(copy.deepcopy(map_), map_, values)


# What is exported with the transformation, as parts of it.
PARTS = ("chart", "chart map")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in PARTS else [])
        for name, case in CASES.items()
        if case.exports
    ],
)
def test_exported(name: str) -> None:
    map_, values = made(name)
    exported = torch.export.export(map_, (values[:7],)).module()

    assert close(exported(values[7:14]), map_(values[7:14]), 1e-12)


def test_derivatives_are_those_of_finite_differences(case: tuple[Case, nn.Module, Tensor]) -> None:
    given, map_, values = case
    point = values[:3].clone().requires_grad_()

    assert torch.autograd.gradcheck(map_, (point,), eps=1e-6, atol=given.slack, rtol=given.slack)


def test_derivatives_by_functions_are_those_of_backward(case: tuple[Case, nn.Module, Tensor]) -> None:
    _, map_, values = case
    found = torch.func.vmap(torch.func.jacrev(lambda row: map_(row[None])[0]))(values[:4])
    expected = torch.stack(
        [torch.autograd.functional.jacobian(map_, row[None])[0, :, 0] for row in values[:4]]
    )

    assert close(found, expected, 1e-6)


def test_nothing_else_changes(case: tuple[Case, nn.Module, Tensor]) -> None:
    _, map_, values = case
    given = values.clone()
    state, tensors = torch.get_rng_state(), copy.deepcopy(map_.state_dict())
    first = map_(given)
    map_.extrapolates(given)

    assert torch.equal(map_(given), first)
    assert torch.equal(given, values)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, tensors[key]) for key, tensor in map_.state_dict().items())


@pytest.mark.parametrize("call", ["forward", "extrapolates"])
def test_what_it_was_not_built_for_is_refused_in_a_sentence(
    case: tuple[Case, nn.Module, Tensor], call: str
) -> None:
    _, map_, values = case
    taken = getattr(map_, call)

    for wrong in (values[0], values[:, :-1], torch.cat([values, values], dim=1), values[None]):
        with pytest.raises(ValueError, match=r"^'values' should have shape \(q, \d+\).* got [^\n]*\.$"):
            taken(wrong)

    for wrong in (values.long(), values.tolist(), values.numpy(), None):
        with pytest.raises(
            TypeError, match=r"^'values' should be a dense floating tensor[^\n]* got [^\n]*\.$"
        ):
            taken(wrong)


def test_no_map_is_saved_and_says_why() -> None:
    nothing = NoMap("A covers B 2 times.")

    for again in (build(describe(nothing), {}), pickle.loads(pickle.dumps(nothing)), copy.deepcopy(nothing)):
        assert describe(again) == describe(nothing)
        with pytest.raises(ValueError, match=r"no transformation in this direction: A covers B 2 times\."):
            again(torch.zeros(3, 2))
        assert again.extrapolates(torch.zeros(3, 2)).all() and again.extrapolates(
            torch.zeros(0, 2)
        ).shape == (0,)


@pytest.mark.parametrize("name", ["plane", "ring", "double cover", "rings", "pairs", "copies", "failed"])
def test_comparisons_are_saved_with_their_maps(name: str, tmp_path: Path) -> None:
    result = comparison(name)
    result.save(tmp_path)
    again = equiv.load(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"comparison.json", "comparison.safetensors"}
    assert again.to_dict() == result.to_dict() and again.summary() == result.summary()
    assert again.summary(details=True) == result.summary(details=True)
    for kept in ("transformation", "chart_a", "chart_b"):
        one, other = getattr(result, kept), getattr(again, kept)
        assert (one is None) == (other is None)
        if one is not None:
            tensors, others = one.state_dict(), other.state_dict()
            assert describe(one) == describe(other) and tensors.keys() == others.keys()
            assert all(torch.equal(tensors[key], others[key]) for key in tensors)
    assert torch.equal(again.coordinates_a, result.coordinates_a)
    assert torch.equal(again.coordinates_b, result.coordinates_b)

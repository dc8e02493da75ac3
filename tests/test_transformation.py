r"""The transformation as a module: exact maps both ways, saving, export, directions that do not exist."""

import copy
import math

import pytest
import torch
from manifolds import DOMAINS, observe, rotate_frames

from equiv import Observations
from equiv.comparison import load
from equiv.transformation import NoMap, Transformation
from equiv.unpaired.compare import compare_unpaired


@pytest.fixture(scope="module")
def circle_pair():
    domain = DOMAINS["circle"]
    known = domain.sample(3, seed=9)
    a = observe(domain, torch.cat([domain.sample(300, seed=0), known]), 5, seed=1)
    b = observe(domain, torch.cat([domain.sample(250, seed=1), known]), 8, seed=2)
    anchors = torch.stack([300 + torch.arange(3), 250 + torch.arange(3)], dim=1)
    fresh = domain.sample(500, seed=77)

    return (
        compare_unpaired(a, b, anchors),
        observe(domain, fresh, 5, seed=1).values,
        observe(domain, fresh, 8, seed=2).values,
    )


def test_transformation_is_right_on_fresh_inputs(circle_pair):
    result, values_a, values_b = circle_pair
    for module, source, target in (
        (result.transformation, values_a, values_b),
        (result.transformation.inverse, values_b, values_a),
    ):
        error = (module(source) - target).norm() / (target - target.mean(dim=0)).norm()
        assert error < 1e-3  # half of the mark for the circle at 500 samples a side, 0.2 %
        assert not module.extrapolates(source).any()
        assert module.extrapolates(source + 100 * source.std()).all()


def test_inverse_undoes(circle_pair):
    result, values_a, _ = circle_pair
    there = result.transformation
    # On the manifold as the chart has it, restricting, registering and lifting undo each other to rounding.
    on_chart = result.chart_a.lift(result.chart_a.restrict(values_a))
    assert torch.allclose(there.inverse(there(on_chart)), on_chart, atol=1e-8)
    assert there.inverse.inverse.there is there.there


def test_derivative_is_that_of_finite_differences(circle_pair):
    result, values_a, _ = circle_pair
    # On the chart's own image: off it, `restrict` leaves the curvature times the misfit out of its
    # derivative.
    point = result.chart_a.lift(result.chart_a.restrict(values_a[:1]))
    exact = torch.autograd.functional.jacobian(result.transformation, point)[0, :, 0]
    step = 1e-5
    for axis in range(point.shape[1]):
        shift = torch.zeros_like(point)
        shift[0, axis] = step
        difference = (result.transformation(point + shift) - result.transformation(point - shift)) / (
            2 * step
        )
        assert torch.allclose(exact[:, axis], difference[0], atol=1e-3 * exact.abs().max())


def test_moved_to_another_dtype_it_computes_as_before(circle_pair):
    result, values_a, _ = circle_pair
    moved = copy.deepcopy(result.transformation).to(torch.float32)
    # Rounding of the values alone: of the coefficients, which nearly cancel, it would be percents.
    assert moved(values_a.float()).dtype == torch.float32
    assert torch.equal(moved(values_a), result.transformation(values_a))
    assert copy.deepcopy(moved).to("meta")(values_a.to("meta")).shape == result.transformation(values_a).shape


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiles_without_a_break(circle_pair, backend):
    result, values_a, _ = circle_pair
    compiled = torch.compile(result.transformation, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(values_a), result.transformation(values_a), rtol=1e-9, atol=1e-9)


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"'folder' should hold comparison\.json"):
        load(tmp_path)


def test_a_map_that_does_not_exist_raises():
    nothing = Transformation(NoMap("A covers B 2 times."), NoMap("other."))
    with pytest.raises(ValueError, match="A covers B 2 times"):
        nothing(torch.zeros(3, 2))
    assert nothing.extrapolates(torch.zeros(3, 2)).all()
    assert nothing.inverse.there.reason == "other."


def test_same_samples_of_one_network_give_the_identity():
    domain = DOMAINS["circle"]
    obs = observe(domain, domain.sample(300, seed=0), 5, seed=1)
    turned = Observations(obs.values, rotate_frames(obs.frames, seed=3))
    anchors = torch.tensor([[3, 3], [50, 50], [200, 200]])
    result = compare_unpaired(obs, turned, anchors)
    values = observe(domain, domain.sample(200, seed=5), 5, seed=1).values
    on_chart = result.chart_a.lift(result.chart_a.restrict(values))
    assert (result.transformation(values) - on_chart).norm() < 1e-8 * values.norm()
    assert result.symmetries == 1
    assert math.isclose(result.diagnostics["overlap_a"], 1.0)

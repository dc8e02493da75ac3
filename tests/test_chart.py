"""Charts out of sample: restrict and lift are inverse to each other, differentiable, exported and saved."""

import pytest
import torch
from manifolds import DOMAINS, observe, rigid_error
from torch import Tensor

from equiv.charts.chart import Chart
from equiv.charts.isometric import IsometricMaps
from equiv.observe.observations import Observations


@pytest.fixture(scope="module")
def square() -> tuple[IsometricMaps, Tensor, Tensor, Tensor]:
    """A fit, its inputs, fresh inputs and what is observed of these."""
    x, fresh = DOMAINS["square"].sample(600, seed=1), DOMAINS["square"].sample(200, seed=2)
    flat = IsometricMaps().fit(observe(DOMAINS["square"], x, 5, seed=1))
    return flat, x, fresh, observe(DOMAINS["square"], fresh, 5, seed=1).values


def test_fresh_points_come_out_right(square: tuple[IsometricMaps, Tensor, Tensor, Tensor]) -> None:
    flat, x, fresh, values = square
    found = flat.transform(values)
    together = rigid_error(torch.cat([flat.coordinates_, found]), torch.cat([x, fresh]))
    assert together < 5e-4  # the mark for 500 samples
    assert (flat.inverse_transform(found) - values).norm() < 5e-4 * (values - values.mean(dim=0)).norm()


def test_restrict_inverts_lift(square: tuple[IsometricMaps, Tensor, Tensor, Tensor]) -> None:
    chart, u = square[0].chart_, square[0].coordinates_
    torch.testing.assert_close(chart.restrict(chart.lift(u)), u, rtol=0, atol=1e-9)


def test_frames_are_the_jacobian_of_lift(square: tuple[IsometricMaps, Tensor, Tensor, Tensor]) -> None:
    chart, u = square[0].chart_, square[0].coordinates_[:20]
    expected = torch.func.vmap(torch.func.jacrev(lambda point: chart.lift(point[None])[0]))(u)
    torch.testing.assert_close(chart.frames(u), expected)


def test_restrict_is_differentiable(square: tuple[IsometricMaps, Tensor, Tensor, Tensor]) -> None:
    # restrict(lift(u)) = u, so its derivative is the identity.
    chart, u = square[0].chart_, square[0].coordinates_[:20]
    values = chart.lift(u).requires_grad_()
    rows = [torch.autograd.grad(chart.restrict(values)[:, a].sum(), values)[0] for a in range(2)]
    identity = torch.stack(rows, dim=1) @ chart.frames(u)
    torch.testing.assert_close(identity, torch.eye(2).double().expand(20, 2, 2), rtol=0, atol=1e-8)


def test_extrapolation_is_seen(square: tuple[IsometricMaps, Tensor, Tensor, Tensor]) -> None:
    flat, _, _, values = square
    chart, u = flat.chart_, flat.coordinates_
    assert chart.extrapolates(values).double().mean() < 0.02
    middle, corner = u.mean(dim=0), u[u.norm(dim=1).argmax()]
    assert chart.extrapolates(chart.lift((middle + 1.3 * (corner - middle))[None])).all()
    normal = torch.linalg.svd(chart.frames(u[:5]), full_matrices=True)[0][:, :, 3]
    assert chart.extrapolates(chart.lift(u[:5]) + 3 * normal).all()


def test_the_period_closes() -> None:
    x = DOMAINS["circle"].sample(300, seed=1)
    obs = observe(DOMAINS["circle"], x, 5, seed=1)
    chart = IsometricMaps().fit(obs).chart_
    u = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None] * chart.periods
    torch.testing.assert_close(chart.lift(u + chart.periods), chart.lift(u), rtol=0, atol=1e-5)


def test_the_nearest_samples_may_be_of_another_sheet() -> None:
    # Two straight arms, 0.1 apart, joined by a half circle: where samples of one are missing, those of the other are
    # nearer. Parametrised by arc length, so coordinates are that up to a shift and a sign.
    def arms(s: Tensor) -> Tensor:
        turn = ((s - 1) / 0.05).clamp(0, torch.pi)
        before, after = s.clamp(max=1) - 1, (s - 1 - 0.05 * torch.pi).clamp(min=0)
        along, across = before - after + 0.05 * turn.sin(), -0.05 * turn.cos()
        # Turned by an eighth, so that both neurons have one spread.
        return torch.stack([along - across, along + across], dim=1) / 2**0.5

    s = (torch.linspace(0, 2 + 0.05 * torch.pi, 120, dtype=torch.float64)).requires_grad_()
    values = arms(s)
    frames = torch.stack([torch.autograd.grad(v.sum(), s, retain_graph=True)[0] for v in values.T], dim=1)
    flat = IsometricMaps().fit(Observations(values.detach(), frames[:, :, None]))
    value = arms(torch.tensor([0.5], dtype=torch.float64))
    expected = flat.chart_.restrict(value)
    tensors = flat.chart_.state_dict()
    away = (tensors["anchor_coordinates"] - expected)[:, 0].abs() > 0.11
    tensors |= {name: tensor[away] for name, tensor in tensors.items() if name.startswith("anchor")}
    thinned = Chart(tensors)
    torch.testing.assert_close(thinned.restrict(value), expected, rtol=0, atol=1e-6)
    # Both arms are there, and the chart is right.
    assert (flat.coordinates_.max() - flat.coordinates_.min() - s[-1]).abs() < 0.01


def test_left_out_samples_tell_what_a_lift_misses_of_fresh_ones() -> None:
    # A network of smoothed kinks, as interatomic potentials are: smooth fits ring, what is near tells more.
    generator = torch.Generator().manual_seed(0)
    drawn = [
        torch.randn(*size, generator=generator, dtype=torch.float64) for size in ((2, 24), (24,), (24, 8))
    ]

    def network(x: Tensor) -> Tensor:
        return torch.nn.functional.celu(2 * x @ drawn[0] + drawn[1], 0.1) @ drawn[2]

    x, fresh = (
        torch.rand(400, 2, generator=generator).double(),
        torch.rand(400, 2, generator=generator).double(),
    )
    frames = torch.func.vmap(torch.func.jacrev(lambda point: network(point[None])[0]))(x)
    flat = IsometricMaps().fit(Observations(network(x), frames))
    values = network(fresh)
    assert len(flat.chart_.node_values) == 400

    def missed(chart: Chart) -> float:
        return float(
            (chart.lift(chart.restrict(values)) - values).norm() / (values - values.mean(dim=0)).norm()
        )

    assert missed(flat.chart_) < 0.7 * missed(flat.chart_.smooth)
    assert missed(flat.chart_) / 2 < flat.diagnosis_.fit_error < 2 * missed(flat.chart_)

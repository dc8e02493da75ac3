r"""Few neurons: reconstruction with honest bounds, and the choice of neurons where the answer is known."""

import math

import pytest
import torch
from manifolds import uniform
from torch import nn

import equiv
from equiv.observability import reconstruct, select_neurons
from equiv.observe.observations import Observations


def _network(seed: int) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
    ).double()

    for parameter in network.parameters():
        fan = parameter.shape[1] if parameter.ndim == 2 else 4
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / fan**0.5

    return network


@pytest.mark.parametrize("chosen", ["random", "selected"])
def test_five_neurons_of_the_second_layer_give_everything(chosen: str) -> None:
    network, x, fresh = _network(0), uniform(400, 2), uniform(2000, 2, seed=1)
    obs = equiv.probe(network, x, layers=["3"])
    index = select_neurons(obs, 5) if chosen == "selected" else torch.arange(5)

    with torch.no_grad():
        first, second = network[:2](x), network[:4](x)
        found = reconstruct(second[:, index], torch.cat([x, first, second], dim=1))
        truth = torch.cat([fresh, network[:2](fresh), network[:4](fresh)], dim=1)
        predicted = found.predict(network[:4](fresh)[:, index])

    error = ((predicted - truth).square().sum() / (truth - truth.mean(dim=0)).square().sum()).sqrt().item()

    assert found.error.high < 0.01 and error < 0.01
    assert found.error.low * 0.5 < error < found.error.high * 2


def test_shapes_dtypes_and_frames() -> None:
    x = uniform(60, 1)
    observed = torch.cat([x, x.square()], dim=1)
    frames = torch.stack([torch.ones_like(x), 2 * x], dim=1)
    target = torch.stack([x.sin(), x.cos(), x.exp(), x], dim=1).reshape(60, 2, 2)
    target_frames = torch.stack([x.cos(), -x.sin(), x.exp(), torch.ones_like(x)], dim=1)

    assert reconstruct(observed, target).predict(observed.float()).shape == (60, 2, 2)
    assert reconstruct(observed.float(), target.float()).predict(observed.float()).dtype == torch.float32
    assert reconstruct(observed, target, frames=(frames, target_frames)).error.high < 1e-3
    assert reconstruct(observed, x, frames=frames).error.high < 1e-6


def test_a_fold_is_not_reconstructed() -> None:
    x = uniform(200, 1)

    assert reconstruct(x.square(), x).error.low > 0.8


def test_selection_takes_the_neurons_that_see_different_directions() -> None:
    x = uniform(300, 2)
    # Two copies and two dead neurons beside the two inputs.
    values = torch.cat([x[:, :1], 2 * x[:, :1] + 1, torch.ones(300, 2, dtype=torch.float64), x[:, 1:]], dim=1)
    rows = torch.tensor([[1, 0], [2, 0], [0, 0], [0, 0], [0, 1.0]], dtype=torch.float64)
    obs = Observations(values, rows.expand(300, 5, 2))
    chosen = select_neurons(obs).tolist()

    assert len(chosen) == 2 and 4 in chosen and set(chosen) <= {0, 1, 4}


def test_fewest_neurons_of_a_curve_with_a_fold() -> None:
    x = uniform(300, 1)
    obs = Observations(
        torch.cat([x.square(), (3 * x).cos(), x.sinh()], dim=1),
        torch.stack([2 * x, -3 * (3 * x).sin(), x.cosh()], dim=1),
    )

    assert select_neurons(obs).tolist() == [2]  # the only monotone one


def test_selection_without_frames_and_bad_arguments() -> None:
    x = uniform(100, 2)

    assert sorted(select_neurons(Observations(x), 2).tolist()) == [0, 1]

    with pytest.raises(ValueError, match="'n' should be at most"):
        select_neurons(Observations(x), 3)

    with pytest.raises(TypeError, match="'obs'"):
        select_neurons(x)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="same samples"):
        reconstruct(x, x[:50])

    with pytest.raises(ValueError, match="'frames' should have shape"):
        reconstruct(x, x, frames=torch.ones(100, 3, 1, dtype=torch.float64))


def _plane(x: torch.Tensor, count: int) -> torch.Tensor:
    weight = torch.randn(2, count, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    return (x[:, :2] @ weight / 2).tanh()


@pytest.mark.parametrize("place", [*(pytest.param(place, marks=pytest.mark.slow) for place in (0, 57)), 119])
def test_no_neuron_is_lost_behind_the_others(place: int) -> None:
    x = uniform(400, 3)
    many = _plane(x, 120)
    many[:, place] = x[:, 2]
    chosen = select_neurons(Observations(many)).tolist()
    rest = [k for k in range(120) if k not in chosen]

    assert place in chosen and len(chosen) < 10
    assert reconstruct(many[:, chosen], many[:, rest]).error.high < 0.05


@pytest.mark.parametrize("arranged", ["in order", "in turn"])
def test_the_choice_does_not_depend_on_the_order_of_the_inputs(arranged: str) -> None:
    angle = math.tau * torch.arange(3000, dtype=torch.float64) / 3000
    # Only the last quarter of a circle, or every sixth sample, tells that one neuron is none of the circle.
    values = torch.stack([angle.cos(), angle.sin(), (2 * angle).cos(), (angle - 1.5 * math.pi).relu()], dim=1)
    order = torch.arange(3000) if arranged == "in order" else torch.arange(3000).reshape(6, -1).T.flatten()
    random = torch.randperm(3000, generator=torch.Generator().manual_seed(0))[:500]
    chosen = select_neurons(Observations(values[order]))

    assert reconstruct(values[random][:, chosen], values[random]).error.high < 0.05


@pytest.mark.slow
def test_copies_and_groups_choose_no_fewer_neurons() -> None:
    independent = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    trials = independent.repeat_interleave(2, 0)
    noise = torch.randn(100, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    for jitter in (0.0, 1e-3):
        assert len(select_neurons(Observations(trials + jitter * noise))) == 3

    named = Observations(trials + 0.1 * noise, groups=torch.arange(100) // 2)
    assert len(select_neurons(named)) == 3
    assert len(select_neurons(Observations(_plane(uniform(100, 2), 6), groups=torch.arange(100) % 5))) == 6

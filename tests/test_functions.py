r"""Networks of few hidden variables: their samples, and the choice of neurons."""

import math

import pytest
import torch
from torch import nn

import equiv
from lightning_modules.data.functions import FunctionViews, Subject
from lightning_modules.data.observed import (
    bent,
    in_coordinates,
    itself,
    monotone,
    spiral_arms,
    tangents,
    tilted_well,
    van_der_pol,
    wave,
)
from lightning_modules.networks import MLP
from lightning_modules.pair import loss
from lightning_modules.probed import Probed, fewest


def views(relation: str = "same", **changes: object) -> FunctionViews:
    settings = {"low": [-1, -1], "high": [1, 1], "n_held_out": 50, "n_anchors": 4, "relation": relation}

    return FunctionViews(
        Subject(van_der_pol, itself, 64), Subject(van_der_pol, bent, 48), **(settings | changes)
    )


def test_each_side_has_states_of_its_own_and_the_anchors_in_common() -> None:
    made = views().prepare()
    assert made.a.train.shape == (64, 2)
    assert made.b.probe.shape == (52, 2)
    assert made.b.tangents.shape == (52, 2, 2)
    assert not torch.isin(made.hidden.train_a, made.hidden.train_b).any()
    rows_a, rows_b = made.anchors.T
    assert torch.equal(made.hidden.probe_a[rows_a], made.hidden.probe_b[rows_b])
    assert torch.equal(made.b.probe, bent(made.hidden.probe_b))
    assert torch.equal(made.held_out_b, bent(made.hidden.held_out))
    assert torch.equal(made.inputs_at(made.hidden.held_out)[1], made.held_out_b)


def test_losses_are_validated_on_states_that_nothing_else_uses() -> None:
    made = views().prepare()
    (inputs_a, _), (inputs_b, targets_b) = made.validation
    assert inputs_a.shape == made.held_out_a.shape
    assert torch.equal(inputs_b, bent(inputs_a)) and torch.equal(targets_b, van_der_pol(inputs_a))
    used = torch.cat([made.hidden.probe_a, made.hidden.probe_b, made.hidden.held_out])
    assert torch.cdist(inputs_a, used).min() > 0
    data = made.data_module(batch_size=16, seed=1)
    assert len(data.train_dataloader()) == 3 and len(data.val_dataloader()) == 1


def test_neither_the_order_nor_the_row_of_the_anchors_tells_anything() -> None:
    made, again = views().prepare(), views(seed=1).prepare()
    assert not torch.equal(made.anchors[:, 0], made.anchors[:, 1])
    assert not torch.equal(made.a.train, again.a.train)
    assert torch.equal(made.a.train, views().prepare().a.train)


def test_tangents_are_those_of_what_is_seen() -> None:
    x = torch.tensor([[0.2, -0.4], [0.9, 0.5]], dtype=torch.float64)
    step = 1e-6 * torch.eye(2, dtype=torch.float64)
    central = torch.stack([(bent(x + e) - bent(x - e)) / 2e-6 for e in step], dim=2)
    assert torch.allclose(tangents(bent, x), central, atol=1e-9)


def test_a_stretched_space_is_longer_in_its_first_direction() -> None:
    same, stretched = views().prepare().b, views("stretched").prepare().b
    assert torch.allclose(1.5 * stretched.tangents[..., 0], same.tangents[..., 0])
    assert torch.equal(stretched.tangents[..., 1], same.tangents[..., 1])


def test_functions_rise_and_fall_as_they_say() -> None:
    x = torch.linspace(-1, 1, 201, dtype=torch.float64)[:, None]
    assert (tangents(monotone, x) > 0).all()

    for folded in (wave, tilted_well):
        slope = tangents(folded, x)
        assert slope.min() < 0 < slope.max()


def test_van_der_pols_field_is_injective_below_a_damping_of_one_half() -> None:
    x = torch.cartesian_prod(*[torch.linspace(-1, 1, 41, dtype=torch.float64)] * 2)

    for damping in (0.3, 2.0):
        slopes = tangents(lambda s, mu=damping: van_der_pol(s, mu), x)
        exact = 1 + 2 * damping * x[:, 0] * x[:, 1]
        assert torch.allclose(torch.linalg.det(slopes), exact)


def test_a_field_in_other_coordinates_moves_them_along_its_flow() -> None:
    x, h = torch.tensor([[0.3, -0.7]], dtype=torch.float64), 1e-6
    moved = (bent(x + h * van_der_pol(x)) - bent(x - h * van_der_pol(x))) / (2 * h)
    assert torch.allclose(in_coordinates(x, van_der_pol, bent), moved, atol=1e-8)


def test_the_arms_of_a_spiral_are_alike() -> None:
    x = torch.tensor([[0.5, 0.1], [-0.2, 0.4]])
    angle = torch.tensor(2 * math.pi / 3)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    assert torch.equal(spiral_arms(x @ turn.T), (spiral_arms(x) + 1) % 3)


def test_labels_are_learned_by_cross_entropy_and_values_by_squares() -> None:
    predicted, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    assert torch.equal(loss(predicted, labels), nn.functional.cross_entropy(predicted, labels))
    assert torch.equal(loss(predicted, 0 * predicted), predicted.square().mean())


def test_the_layers_of_a_perceptron_go_by_name() -> None:
    network = MLP(2, 1, [5, 4], nn.SiLU)
    assert [name for name, _ in network.named_children()] == ["hidden1", "hidden2", "output"]
    assert isinstance(network.hidden2[1], nn.SiLU)

    with pytest.raises(ValueError, match="'hidden'"):
        MLP(2, 1, [0])


class Folded(nn.Module):
    r"""x to hidden neurons (x^2 - x / 5, tanh x), of which the first is the output."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = nn.Identity(), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.hidden(torch.cat([x.square() - x / 5, x.tanh()], dim=1))[:, :1])


def test_a_folded_output_needs_one_monotone_neuron() -> None:
    x = torch.linspace(-1, 1, 400, dtype=torch.float64)[:, None]
    pair = nn.ModuleDict({"network_a": Folded()})
    chosen = Probed("network_a", neurons="fewest").chosen(pair, x, {"frames": "jacobian"})
    assert chosen.layers == ["hidden", "output"]
    assert chosen.neurons == [[1], [0]]


def test_an_output_that_tells_all_inputs_apart_needs_no_other_neuron() -> None:
    x = torch.linspace(-1, 1, 400, dtype=torch.float64)[:, None]
    inner = equiv.Observations(torch.cat([x.sin(), x.square()], 1), torch.stack([x.cos(), 2 * x], 1))
    assert fewest(inner, equiv.Observations(x.exp(), x.exp()[:, None])).tolist() == []


def test_neurons_are_named_or_counted() -> None:
    with pytest.raises(ValueError, match=r"'neurons' should be a number.*'few'"):
        Probed("network_a", neurons="few")


@pytest.mark.parametrize(
    "change", [{"relation": "other"}, {"low": [1, 1]}, {"n_anchors": -1}, {"low": [-1], "high": [1, 1]}]
)
def test_bad_settings_of_the_samples_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=f"'{next(iter(change))}'"):
        views(**change)

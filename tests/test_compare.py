r"""The doors of `equiv.compare`: networks, arguments of `probe`, and the geometry of spaces without anchors."""

import copy
import math

import pytest
import torch
from manifolds import DOMAINS, Domain, observe
from torch import nn

import equiv


class Embedding(nn.Module):
    r"""A smooth network of two inputs."""

    def __init__(self, outputs: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.hidden, self.out = nn.Linear(2, 16).double(), nn.Linear(16, outputs).double()

        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.hidden(x)))


def test_two_networks_at_unrelated_inputs():
    a, b = Embedding(5, 1), Embedding(6, 2)
    before = [parameter.clone() for parameter in a.parameters()]
    known = DOMAINS["square"].sample(4, seed=9)
    inputs = [torch.cat([DOMAINS["square"].sample(n, seed=seed), known]) for n, seed in ((300, 0), (350, 1))]
    anchors = torch.stack([300 + torch.arange(4), 350 + torch.arange(4)], dim=1)
    result = equiv.compare(a, b, *inputs, anchors=anchors, frames_b={"frames": "jacobian", "batch_size": 100})
    assert result.verdict == "equivalent"
    fresh = DOMAINS["square"].sample(500, seed=5)
    with torch.no_grad():
        goal = b(fresh)
        error = (result.transformation(a(fresh)) - goal).norm() / (goal - goal.mean(dim=0)).norm()
    assert error < 2e-2  # the mark for the worst pair at 500 samples a side
    assert error < result.a_to_b.error.high
    assert all(torch.equal(old, new) for old, new in zip(before, a.parameters(), strict=True))
    assert result.summary().splitlines()[-1] == result.sentence
    assert len(result.summary().splitlines()) < 45


def test_layers_and_neurons_are_chosen_as_in_probe():
    a, b = Embedding(5, 1), Embedding(6, 2)
    known = DOMAINS["square"].sample(4, seed=9)
    inputs = [torch.cat([DOMAINS["square"].sample(100, seed=seed), known]) for seed in (0, 1)]
    anchors = torch.stack([100 + torch.arange(4)] * 2, dim=1)
    result = equiv.compare(
        a, b, *inputs, anchors=anchors, layers_a=["hidden"], neurons_a=[torch.tensor([0, 3, 7])]
    )
    assert result.diagnostics["neurons_a"] == 3
    assert result.diagnostics["neurons_b"] == 6


@pytest.mark.parametrize(
    ("name_a", "space_b", "verdict", "symmetries"),
    [
        ("l_shape", DOMAINS["l_shape"], "equivalent", 1),
        ("circle", DOMAINS["circle"], "equivalent", math.inf),
        ("interval", DOMAINS["interval"], "equivalent", 2),
        ("interval", Domain((0.0,), (1.3,)), "not_equivalent", 0),
        ("square", Domain((0.0, 0.0), (1.4, 1.0)), "not_equivalent", 0),
        ("square", DOMAINS["disc"], "not_equivalent", 0),
    ],
)
def test_geometry_alone_decides_without_anchors(name_a, space_b, verdict, symmetries):
    space_a = DOMAINS[name_a]
    a = observe(space_a, space_a.sample(800, seed=0), 6, seed=1)
    b = observe(space_b, space_b.sample(700, seed=1), 7, seed=3)
    result = equiv.compare(a, b, paired=False)
    assert result.verdict == verdict
    assert result.symmetries == symmetries

    if symmetries == math.inf:
        assert "infinitely many isometries" in result.summary()


def test_a_space_that_lost_a_direction_is_determined_by_the_other():
    domain = DOMAINS["square"]
    known = domain.sample(6, seed=9)
    a = observe(domain, torch.cat([domain.sample(500, seed=0), known]), 6, seed=1)
    x = torch.cat([domain.sample(500, seed=1), known])
    angle = 3 * x[:, :1]
    values = torch.cat([angle.cos(), angle.sin(), x[:, :1].square()], dim=1)
    frames = torch.zeros(len(x), 3, 2, dtype=torch.float64)
    frames[:, :, 0] = torch.cat([-3 * angle.sin(), 3 * angle.cos(), 2 * x[:, :1]], dim=1)
    b = equiv.Observations(values, frames)
    anchors = torch.stack([500 + torch.arange(6)] * 2, dim=1)
    one = equiv.compare(a, b, paired=False, anchors=anchors)
    other = equiv.compare(b, a, paired=False, anchors=anchors)
    assert one.verdict == "a_determines_b"
    assert other.verdict == "b_determines_a"
    error = (one.transformation(a.values[500:]) - values[500:]).norm() / (values - values.mean(dim=0)).norm()
    assert error < 1e-3
    with pytest.raises(ValueError, match="There is no transformation"):
        one.transformation.inverse(values)


def test_a_disconnected_cloud_is_inconclusive():
    x = DOMAINS["square"].sample(400, seed=0)
    x[200:] += 50
    values = torch.cat([x, x.square().sum(dim=1, keepdim=True)], dim=1)
    frames = torch.cat([torch.eye(2).double().expand(400, 2, 2), 2 * x[:, None]], dim=1)
    result = equiv.compare(
        equiv.Observations(values, frames), equiv.Observations(values, frames), paired=False
    )
    assert result.verdict == "inconclusive"
    assert all(map(math.isnan, result.a_to_b.error))
    # What no chart shows is not called flat, and what is said is not why it is not.
    assert "neither space has a flat chart, and the samples of" in result.sentence
    assert "flat patch" not in result.summary() and "more samples: 400 of A" in result.summary()
    assert result.to_dict()["a_to_b"]["error"]["estimate"] is None


def _with_dropout(seed: int) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 5)).double()

    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)

    return network


def test_a_network_is_equivalent_to_itself_and_to_its_copies() -> None:
    network, inputs = _with_dropout(0), 2 * torch.rand(120, 2, generator=torch.Generator().manual_seed(1)) - 1
    inputs = inputs.double()
    permuted = copy.deepcopy(network)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(2))
    last, read_out = network[3], permuted[3]
    assert isinstance(last, nn.Linear) and isinstance(read_out, nn.Linear)
    read_out.weight.data = 7 * last.weight.data[order]
    read_out.bias.data = 7 * last.bias.data[order]
    single = copy.deepcopy(network).float().eval()

    for other, bound in ((network, 1e-6), (copy.deepcopy(network).train(), 1e-6), (permuted, 1e-6)):
        found = equiv.compare(network, other, inputs)
        assert found.verdict == "equivalent"
        assert max(found.a_to_b.error.high, found.b_to_a.error.high) < bound

    # Rounding of float32, 6e-8 of the values, which are a few times their spread.
    seen = equiv.Observations(single(inputs.float()).detach())
    found = equiv.compare(equiv.probe(network, inputs), seen, paired=True)
    assert found.verdict == "equivalent" and max(found.a_to_b.error.high, found.b_to_a.error.high) < 1e-5


INPUTS = DOMAINS["square"].sample(30, seed=0)
OBSERVED = observe(DOMAINS["square"], INPUTS, 5, 0)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (
            (OBSERVED, OBSERVED),
            {"layers_a": ["out"]},
            ValueError,
            "'layers_a' should be left out where 'a' is",
        ),
        (
            (OBSERVED, OBSERVED),
            {"neurons_b": [[0]]},
            ValueError,
            "'neurons_b' should be left out where 'b' is",
        ),
        ((OBSERVED, OBSERVED), {"frames_b": None}, ValueError, "'frames_b' should be left out where 'b' is"),
        ((OBSERVED, OBSERVED), {"method": "isometry"}, ValueError, "'method' should be one of.*'isometric'"),
        ((OBSERVED, OBSERVED, INPUTS), {}, ValueError, "'inputs' should be None where 'a' and 'b' are"),
        (
            (OBSERVED, INPUTS),
            {},
            TypeError,
            "'b' should be a torch.nn.Module or a callable .* got Tensor",
        ),
        ((OBSERVED, Embedding(5, 1)), {}, ValueError, "'inputs' should be given where 'b' is a network"),
        ((OBSERVED, OBSERVED.subset(torch.arange(9))), {}, ValueError, "as many samples as each other"),
        ((OBSERVED, OBSERVED), {"seed": "zero"}, TypeError, "'seed' should be an integer of at least 0"),
        (
            (Embedding(5, 1), Embedding(5, 2), INPUTS),
            {"frames_a": {"dimensoin": 2}},
            ValueError,
            "'frames_a' should hold arguments of equiv.probe.*did you mean 'dimension'",
        ),
    ],
)
def test_arguments_that_would_be_in_vain_are_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        equiv.compare(*arguments, paired=True, **options)


@pytest.mark.parametrize("moves", [False, True])
def test_what_inputs_never_do_proves_nothing_about_them(moves: bool) -> None:
    x = torch.rand(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 2] *= float(moves)
    torch.manual_seed(0)
    some = nn.Sequential(nn.Linear(3, 12), nn.Tanh()).double()
    every = nn.Sequential(nn.Linear(3, 12), nn.Tanh()).double()

    with torch.no_grad():
        some[0].weight[:, 2] = 0  # blind to the last entry, along which the other one leaks

    found = equiv.compare(some, every, x)

    assert (found.diagnostics["leak_a_to_b"] > 0.05) == moves
    assert found.verdict == ("b_determines_a" if moves else "equivalent")

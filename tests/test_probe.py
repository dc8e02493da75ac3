"""Probing: exact frames of any module, which is left as it was found."""

import math
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from manifolds import random
from torch import Tensor, nn

from equiv import probe


def build(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().double()


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(
            *self.attend(x, x, x)[0][None].expand(3, -1, -1, -1)
        ).tanh()


class InPlace(nn.Module):
    """Works on its input and on its layers' outputs in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(3, 8), nn.ELU(inplace=True), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(1.5).add_(0.1)
        return self.last(self.relu(self.first(x))).sigmoid_()


class Square(torch.autograd.Function):
    """No forward-mode formula."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * gradient


class ReverseOnly(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([Square.apply(x), x.sin(), x.prod(dim=1, keepdim=True)], dim=1)


def mlp(inputs: int = 3, outputs: int = 5) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Tanh(),
        nn.Linear(16, outputs),
    )


def convolutional() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.GELU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3))


ZOO: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (mlp, (3,)),
    "few outputs": (lambda: mlp(6, 2), (6,)),
    "convolutions": (convolutional, (2, 8, 8)),
    "in place": (InPlace, (3,)),
    "reverse only": (ReverseOnly, (3,)),
    "attention": (Attention, (3, 4)),
    "transformer": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2),
        (3, 4),
    ),
    "lstm": (lambda: nn.LSTM(4, 3, batch_first=True), (3, 4)),
    "group norm": (
        lambda: nn.Sequential(nn.Linear(4, 8), nn.GroupNorm(2, 8), nn.LayerNorm(8), nn.Softmax(1)),
        (4,),
    ),
}


def one(network: nn.Module, x: Tensor) -> Tensor:
    """The flattened output of one sample, shape (d,)."""
    output = network(x[None].clone())

    return (output[0] if isinstance(output, tuple) else output).flatten()


@pytest.mark.parametrize("name", ZOO)
def test_frames_are_the_jacobians_of_each_sample(name: str) -> None:
    make, shape = ZOO[name]
    network = build(make)
    x = random(7, *shape, seed=1)
    before = x.clone()
    obs = probe(network, x)
    assert torch.equal(x, before)
    network.eval()
    for k in range(len(x)):
        jacobian = torch.autograd.functional.jacobian(lambda z: one(network, z), x[k]).reshape(
            -1, x[k].numel()
        )
        torch.testing.assert_close(obs.values[k], one(network, x[k]).detach(), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(obs.frames[k], jacobian, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["perceptron", "few outputs", "attention", "lstm"])
def test_frames_are_central_differences(name: str) -> None:
    make, shape = ZOO[name]
    network = build(make)
    x, h = random(5, *shape, seed=1), 1e-5
    obs = probe(network, x)
    values = lambda z: probe(network, z, frames=None).values  # noqa: E731
    for k in range(x[0].numel()):
        step = torch.zeros_like(x[0]).flatten().index_fill_(0, torch.tensor(k), h).reshape(x[0].shape)
        slope = (values(x + step) - values(x - step)) / (2 * h)
        # The kink of a rectifier closer than h would show; none is, at this seed.
        torch.testing.assert_close(obs.frames[:, :, k], slope, rtol=1e-6, atol=1e-6)


def test_tangents_are_pushed_forward() -> None:
    x = random(9, 6)
    for outputs in (2, 5):  # reverse and forward mode
        network = build(lambda outputs=outputs: mlp(6, outputs))
        tangents = random(9, 6, 3, seed=2)
        full = probe(network, x).frames
        torch.testing.assert_close(
            probe(network, x, frames=tangents).frames, full @ tangents, rtol=1e-10, atol=1e-12
        )


def test_layers_and_neurons() -> None:
    network = build(convolutional)
    x = random(6, 2, 8, 8)
    whole = probe(network, x, layers=["0", "3"])
    hidden = network.eval()[0](x).flatten(1).detach()
    torch.testing.assert_close(whole.values[:, : hidden.shape[1]], hidden)
    few = probe(network, x, layers=["0", "3"], neurons=[torch.tensor([5, 0]), None])
    rest = whole.values.shape[1] - hidden.shape[1]
    index = torch.cat([torch.tensor([5, 0]), torch.arange(rest) + hidden.shape[1]])
    torch.testing.assert_close(few.values, whole.values[:, index])
    torch.testing.assert_close(few.frames, whole.frames[:, index], rtol=1e-9, atol=1e-12)
    mask = torch.zeros(rest, dtype=torch.bool).index_fill_(0, torch.tensor([1]), True)
    torch.testing.assert_close(
        probe(network, x, neurons=[mask]).values, whole.values[:, hidden.shape[1] + 1, None]
    )


def test_a_layer_before_an_in_place_one_is_read_as_it_was() -> None:
    network = build(InPlace).eval()
    x = random(4, 3)
    torch.testing.assert_close(
        probe(network, x, layers=["first"]).values, network.first(x * 1.5 + 0.1).detach()
    )


def test_a_layer_called_twice_gives_both_outputs() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.step(self.step(x))

    network = build(Twice)
    x = random(4, 3)
    expected = torch.cat([network.step(x), network.step(network.step(x))], dim=1).detach()
    torch.testing.assert_close(probe(network, x, layers=["step"]).values, expected)


class Mixed(nn.Module):
    """Two floating inputs and a table index."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.mix = nn.Embedding(5, 3), nn.Linear(8, 9)

    def forward(self, left: Tensor, right: Tensor, index: Tensor) -> Tensor:
        assert left.ndim == 2 and right.ndim == 3 and index.ndim == 1, "called on a single sample"
        return self.mix(torch.cat([left, right.flatten(1) ** 2, self.table(index)], dim=1)).tanh()


@pytest.mark.parametrize("named", [False, True])
def test_several_inputs(named: bool) -> None:
    network = build(Mixed)
    left, right, index = random(6, 3), random(6, 2, 1, seed=1), torch.arange(6) % 5
    inputs: Any = {"right": right, "left": left, "index": index} if named else (left, right, index)
    obs = probe(network, inputs)
    assert obs.frames.shape == (6, 9, 5)
    jacobians = torch.autograd.functional.jacobian(
        lambda a, b: network(a, b, index).sum(dim=0), (left, right)
    )
    parts = [jacobians[0].movedim(1, 0), jacobians[1].movedim(1, 0).flatten(2)]
    expected = torch.cat(parts[::-1] if named else parts, dim=2)
    torch.testing.assert_close(obs.frames, expected, rtol=1e-9, atol=1e-12)
    tangents = [random(6, 3, 2, seed=3), random(6, 2, 1, 2, seed=4)]
    given: Any = {"left": tangents[0], "right": tangents[1], "index": index} if named else (*tangents, index)
    pushed = parts[0] @ tangents[0] + parts[1] @ tangents[1].flatten(1, 2)
    torch.testing.assert_close(probe(network, inputs, frames=given).frames, pushed, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_batches_change_nothing(batch_size: int) -> None:
    network, x = build(mlp), random(10, 3)
    whole, parts = probe(network, x), probe(network, x, batch_size=batch_size)
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(parts.frames, whole.frames, rtol=1e-12, atol=1e-14)


def test_batches_fit_the_memory_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Wide(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    monkeypatch.setattr(sys.modules["equiv.probing.values"], "BATCH_MEMORY", 2**20)
    probe(Wide(2, 1000), random(500, 2), frames=None)
    # 1 MiB, counted four times, holds about 65 outputs of 1,000 float32.
    assert 32 < max(seen) < 70


def test_the_network_is_left_as_it_was() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp()
            self.register_buffer("calls", torch.zeros(()))
            self.body[1].eval()

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return self.body(x)

    network = build(Counter)
    network.body[0].weight.requires_grad_(False)
    network.body[5].bias.grad = torch.ones(5).double()
    modes = [module.training for module in network.modules()]
    # Hooks of every kind, buffers, parameters and submodules of each.
    kinds = (dict, OrderedDict)
    held = [
        len(each) for module in network.modules() for each in vars(module).values() if type(each) in kinds
    ]
    flags = [p.requires_grad for p in network.parameters()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator, mode = torch.get_rng_state(), torch.is_grad_enabled()
    probe(network, random(20, 3), layers=["body.0", "body.5"])
    probe(network, random(20, 3), neurons=[torch.tensor([0])])

    with pytest.raises(ZeroDivisionError):
        probe(network, random(20, 3), frames=lambda x: 1 / 0, burst_std=0.1)  # type: ignore[arg-type,return-value]

    assert modes == [module.training for module in network.modules()]
    assert flags == [p.requires_grad for p in network.parameters()]
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert (
        torch.equal(network.body[5].bias.grad, torch.ones(5).double()) and network.body[5].weight.grad is None
    )
    assert torch.equal(torch.get_rng_state(), generator) and torch.is_grad_enabled() == mode
    assert held == [
        len(each) for module in network.modules() for each in vars(module).values() if type(each) in kinds
    ]
    assert torch.backends.mha.get_fastpath_enabled()


def test_dtypes_are_the_networks() -> None:
    network = build(mlp).float()
    assert probe(network, random(8, 3)).values.dtype == torch.float32
    assert probe(network.bfloat16(), random(8, 3)).frames.dtype == torch.float32
    assert probe(network.double(), random(8, 3).float()).frames.dtype == torch.float64
    assert not probe(network, random(8, 3)).frames.requires_grad


def test_bursts_estimate_the_covariance_without_bias() -> None:
    network, x, b = build(lambda: mlp(2, 6)), random(40, 2), 400
    noise = random(40, b, 2, seed=1)
    obs = probe(network, x, frames=lambda x: x[:, None] + 1e-4 * noise, burst_std=1e-4)
    assert obs.burst_size == b and obs.frames.shape == (40, 6, 2)  # the dimension from the gap
    exact = probe(network, x).frames
    found, expected = obs.frames @ obs.frames.mT, exact @ exact.mT
    ratio = found.diagonal(dim1=1, dim2=2).sum(1) / expected.diagonal(dim1=1, dim2=2).sum(1)
    # A sample covariance of b draws errs by sqrt(2 / b) = 0.07 at most (one direction), its mean over 40 by
    # 0.011.
    assert abs(ratio.mean() - 1) < 0.04 and (ratio - 1).abs().max() < 0.3


def test_bursts_with_a_given_dimension_keep_the_leading_part() -> None:
    network, x = build(lambda: mlp(3, 2)), random(10, 3)
    noise = random(10, 30, 3, seed=1)
    obs = probe(network, x, frames=lambda x: x[:, None] + 1e-3 * noise, burst_std=1e-3, dimension=3)
    assert obs.frames.shape == (10, 2, 3) and (obs.rank == 2).all()


def test_neighbours_find_the_manifold_of_inputs() -> None:
    u = torch.rand(1200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cylinder = torch.stack([u[:, 0].cos(), u[:, 0].sin(), u[:, 1]], dim=1)
    zero, one_ = torch.zeros(1200).double(), torch.ones(1200).double()
    tangents = torch.stack(
        [torch.stack([-u[:, 0].sin(), u[:, 0].cos(), zero], 1), torch.stack([zero, zero, one_], 1)], dim=2
    )
    network = build(lambda: nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 5)))
    obs = probe(network, cylinder, frames="neighbors")
    exact = probe(network, cylinder, frames=tangents).frames
    assert obs.frames.shape == (1200, 5, 2)
    found, expected = obs.frames @ obs.frames.mT, exact @ exact.mT
    error = (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    # Second order in the neighbourhood's radius, about 0.04, with curvatures of about 1.
    assert error.median() < 1e-3 and error.max() < 1e-2


def test_no_frames() -> None:
    obs = probe(build(mlp), random(5, 3), frames=None)
    assert obs.frames is None and obs.rank is None and obs.values.shape == (5, 5)


class Constant(nn.Module):
    """Returns something unusable."""

    def __init__(self, output: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.output = output

    def forward(self, x: Tensor) -> Any:
        return self.output(x)


GOOD = build(mlp)
X = random(8, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: probe("net.pt", X), TypeError, "'network' should be a torch.nn.Module .* got str"),
        (lambda: probe(nn.Linear, X), TypeError, "got the class Linear; make a network of it"),
        (lambda: probe(build(InPlace), X, layers=["frist"]), ValueError, "got 'frist'; did you mean 'first'"),
        (lambda: probe(GOOD, X, layers="0"), TypeError, r"write \['0'\]"),
        (lambda: probe(GOOD, X, layers=[]), ValueError, "at least one name, got none"),
        (
            lambda: probe(build(Attention), random(4, 3, 4), layers=["attend.out_proj"]),
            ValueError,
            "never calls",
        ),
        (
            lambda: probe(GOOD, X, layers=["0", "5"], neurons=[torch.tensor([1])]),
            ValueError,
            "each of the 2 layers, got 1",
        ),
        (
            lambda: probe(GOOD, X, neurons=[torch.tensor([7])]),
            ValueError,
            "'neurons' should hold indices below 5",
        ),
        (lambda: probe(GOOD, X, neurons=[torch.tensor([0.5])]), TypeError, "got Tensor of float32"),
        (lambda: probe(GOOD, [1.0, 2.0]), TypeError, r"'inputs\[0\]' should be a tensor"),
        (lambda: probe(GOOD, 0 * X + math.nan), ValueError, "'inputs' should be finite"),
        (lambda: probe(GOOD, (X, X[:3])), ValueError, "same number of samples"),
        (lambda: probe(GOOD, X, frames="jacobean"), ValueError, "'frames' should be"),
        (
            lambda: probe(GOOD, X, frames=lambda x: x[:, None]),
            ValueError,
            "'burst_std' should be .* got None",
        ),
        (lambda: probe(GOOD, X, burst_std=0.1), ValueError, "'burst_std' should be None without bursts"),
        (lambda: probe(GOOD, X, dimension=2), ValueError, "'dimension' should be None unless"),
        (
            lambda: probe(GOOD, X, frames=lambda x: x[:, None], burst_std=0.1),
            ValueError,
            "at least 2 neighbours",
        ),
        (lambda: probe(GOOD, X, frames=lambda x: x, burst_std=0.1), ValueError, r"\(n, b, \*input_shape\)"),
        (
            lambda: probe(GOOD, X, frames=lambda x: x[:, None] + 0 * x, burst_std=-1.0),
            ValueError,
            "'burst_std' should be",
        ),
        (
            lambda: probe(GOOD, X, frames=random(8, 2, 2)),
            ValueError,
            r"\(n, \*input_shape, m\) = \(8, 3, m\)",
        ),
        (
            lambda: probe(GOOD, X, frames="neighbors", dimension=4),
            ValueError,
            "at most the inputs' number of entries, 3, got 4",
        ),
        (
            lambda: probe(nn.Linear(3, 2), random(8, 2)),
            ValueError,
            r"'inputs' should be a batch that the network takes, got float64 of shape \(n, 2\).*cannot be mult",
        ),
        (
            lambda: probe(nn.Embedding(3, 2), torch.full((4, 5), 7), frames=None, batch_size=2),
            ValueError,
            r"got int64 of shape \(n, 5\).*out of range",
        ),
        (lambda: probe(GOOD, X, batch_size=0), ValueError, "'batch_size' should be an integer of at least 1"),
        (lambda: probe(Constant(lambda x: x / 0), X), ValueError, r"'network\(inputs\)' should be finite"),
        (lambda: probe(Constant(lambda x: x.sum(dim=0)), X), ValueError, "samples first, got shape"),
        (
            lambda: probe(Constant(lambda x: x - x.mean(dim=0)), X),
            ValueError,
            "whatever else is in the batch",
        ),
        (
            lambda: probe(Constant(lambda x: nn.functional.dropout(x.repeat(1, 20))), X),
            ValueError,
            "whatever else is in the batch",
        ),
        (lambda: probe(Constant(lambda x: x.round().long()), X), TypeError, "real outputs, got torch.int64"),
        (lambda: probe(Constant(lambda x: "text"), X), TypeError, "return tensors, got str"),
        (lambda: probe(Constant(lambda x: x.detach() ** 2), X), ValueError, "another slope than differences"),
        (
            lambda: probe(nn.Embedding(9, 2), torch.arange(8), frames="neighbors"),
            TypeError,
            "got integers only",
        ),
        (lambda: probe(nn.LSTM(4, 3), random(8, 5, 4).float()), ValueError, "batch_first=True"),
    ],
)
def test_refusals_say_what_came(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()

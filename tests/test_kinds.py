r"""Networks of every kind: what is observed is what the plain network would show, or one sentence says why not."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from manifolds import random
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import equiv
from equiv import Observations, compare, probe
from equiv.layers.record import recorded
from equiv.probing.inputs import gathered_inputs


def made(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().double()


def mlp(inputs: int = 3, outputs: int = 5) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


NET = made(mlp)
X = random(30, 3)


def same(found: Observations, expected: Observations) -> None:
    torch.testing.assert_close(found.values, expected.values)
    assert (found.frames is None) == (expected.frames is None)
    if found.frames is not None and expected.frames is not None:
        torch.testing.assert_close(found.frames, expected.frames)


# Inputs


class Encoding:
    r"""Anything with `keys()`, such as what a tokenizer returns."""

    def __init__(self, **entries: Any) -> None:
        self.entries = entries

    def keys(self) -> Any:
        return self.entries.keys()

    def __getitem__(self, key: str) -> Any:
        return self.entries[key]


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = NET

    def forward(self, x: Tensor, shift: float = 0.0) -> Tensor:
        return self.net(x) + shift


LABELS = torch.arange(30) % 2


@pytest.mark.parametrize(
    "inputs",
    [
        X.numpy(),
        (X,),
        {"x": X},
        Encoding(x=X),
        X.to_sparse(),
        DataLoader(X, batch_size=7),
        DataLoader(TensorDataset(X, LABELS), batch_size=7),
        DataLoader([{"x": row} for row in X], batch_size=7),
    ],
    ids=["array", "tuple", "dict", "keys", "sparse", "loader", "with labels", "of dicts"],
)
def test_inputs_of_every_kind_are_the_tensors_they_hold(inputs: Any) -> None:
    state = torch.get_rng_state()
    same(probe(Named(), inputs), probe(NET, X))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_loader_is_run_through_once_for_both_networks() -> None:
    seen = []

    class Counted(TensorDataset):
        def __getitem__(self, index: int) -> Any:
            seen.append(index)
            return super().__getitem__(index)

    found = compare(NET, NET, DataLoader(Counted(X, LABELS), batch_size=8))
    assert seen == list(range(30)) and found.verdict == "equivalent"


def test_integers_leave_no_frames_and_it_is_said_once() -> None:
    tokens = torch.randint(0, 9, (40, 4), generator=torch.Generator().manual_seed(0))
    network = made(lambda: nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(12, 4)))
    obs = probe(network, tokens)
    assert obs.frames is None and obs.unframed is not None
    found = compare(network, network, tokens)
    assert found.diagnostics["frames"] == f"values alone: {obs.unframed}"
    assert found.summary().count(obs.unframed) == 1 and found.verdict == "equivalent"
    with pytest.raises(ValueError, match=r"should have frames .* integers"):
        compare(network, network, tokens, tokens)


# Outputs


@dataclass
class Output:
    loss: Tensor
    logits: Tensor


class Returning(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.wrap = NET, wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.net(x))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y, None),
        lambda y: {"logits": y},
        lambda y: Encoding(loss=y.sum(), logits=y),
        lambda y: Output(y.sum(), y),
        lambda y: (None, [y]),
    ],
    ids=["tuple", "dict", "keys", "dataclass", "nested"],
)
def test_outputs_of_every_kind_are_read(wrap: Callable[[Tensor], Any]) -> None:
    same(probe(Returning(wrap), X), probe(NET, X))


# Kinds of networks


class InBuffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for k, tensor in enumerate(NET.parameters()):
            self.register_buffer(f"t{k}", tensor.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.t0.T + self.t1) @ self.t2.T + self.t3


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(NET)


def traced() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(NET, X)


def compiled() -> nn.Module:
    return torch.compile(NET, backend="eager")  # whatever the back end: it is not called


def compiled_in_place() -> nn.Module:
    network = made(mlp)
    network.compile(backend="eager")
    return network


def around_compiled() -> nn.Module:
    return nn.Sequential(compiled())


@pytest.mark.parametrize(
    "make",
    [InBuffers, scripted, traced, compiled, compiled_in_place, around_compiled],
    ids=["buffers", "scripted", "traced", "compiled", "compiled in place", "compiled inside"],
)
def test_networks_of_every_kind_show_what_the_plain_one_shows(make: Callable[[], nn.Module]) -> None:
    network = make()
    modes = [module.training for module in network.modules()]
    same(probe(network, X), probe(NET, X))
    same(probe(network, X.float()), probe(NET, X.float().double()))
    assert [module.training for module in network.modules()] == modes


def test_layers_of_compiled_networks_go_by_either_name() -> None:
    for name in ("0", "_orig_mod.0"):
        same(probe(compiled(), X, layers=[name]), probe(NET, X, layers=["0"]))
    same(probe(around_compiled(), X, layers=["0.0"]), probe(NET, X, layers=["0"]))


@pytest.mark.parametrize("make", [scripted, traced])
def test_the_inner_layers_of_torchscript_are_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="TorchScript"):
        probe(make(), X, layers=["0"])


class Cut(nn.Module):
    r"""A part of the network runs without gradients."""

    def __init__(self, outputs: int, cut: Callable[[Any], Any], whole: bool) -> None:
        super().__init__()
        self.net, self.cut, self.whole = made(lambda: mlp(4, outputs)), cut, whole

    def forward(self, x: Tensor) -> Tensor:
        y = self.cut(self.net)(x)
        return y if self.whole else y + x.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("outputs", [2, 9])  # fewer and more than inputs: reverse and forward mode
@pytest.mark.parametrize("whole", [False, True])
def test_frames_under_an_inner_no_grad_are_those_of_the_values(outputs: int, whole: bool) -> None:
    x = random(20, 4)
    network = Cut(outputs, torch.no_grad(), whole)
    expected = Cut(outputs, lambda f: f, whole)
    same(probe(network, x), probe(expected, x))


@pytest.mark.parametrize("outputs", [2, 9])
def test_frames_of_a_part_that_is_cut_off_are_refused(outputs: int) -> None:
    network = Cut(outputs, lambda f: lambda x: f(x.detach()), whole=False)
    with pytest.raises(ValueError, match="another slope than differences of its values"):
        probe(network, random(20, 4))
    assert probe(network, random(20, 4), frames=None).frames is None


class Kinked(nn.Module):
    r"""Slopes on both sides of zero differ, and zero is where most inputs are."""

    def __init__(self) -> None:
        super().__init__()
        self.net = made(lambda: nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2)))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.abs()).flatten(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_kinks_at_the_samples_and_coarse_rounding_are_no_contradiction(dtype: torch.dtype) -> None:
    x = random(20, 1, 8, 8) * (random(20, 1, 8, 8, seed=1) > 1)
    network = Kinked().to(dtype)
    assert probe(network, x).frames is not None
    assert probe(network, x, neurons=[torch.tensor([0, 1])]).frames is not None


class Particular(nn.Module):
    r"""Takes no inputs but those in its domain."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.min() >= 0
        return x.sqrt() * torch.arange(1, 4)


def test_a_network_is_asked_for_nothing_outside_its_domain() -> None:
    x = random(30, 3).square() * (random(30, 3, seed=1) > 0) + 1e-3
    torch.testing.assert_close(
        probe(Particular(), x).frames, torch.diag_embed(torch.arange(1, 4) / (2 * x.sqrt()))
    )


def test_an_inference_mode_around_or_before_changes_nothing() -> None:
    with torch.inference_mode():
        x, network = X.clone(), made(mlp)
        inside = probe(NET, x), probe(NET, x, neurons=[torch.tensor([0, 2])])
        verdict = compare(NET, NET, x).verdict
    same(inside[0], probe(NET, X))
    same(inside[1], probe(NET, X, neurons=[torch.tensor([0, 2])]))
    same(probe(network, x, neurons=[torch.tensor([0, 2])]), inside[1])
    assert verdict == "equivalent"


def test_eight_bits_are_compared_by_values_alone() -> None:
    x = random(60, 6).float()
    network = made(lambda: nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 4))).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    found = compare(network, quantised, x.double())
    assert "eight bits" in found.diagnostics["frames"]
    with torch.no_grad():
        gap = (network(x) - quantised(x)).norm() / (network(x) - network(x).mean(0)).norm()
    assert found.a_to_b.error.estimate <= 1.5 * gap.item()


def test_a_lazy_module_is_refused_and_left_as_it_was() -> None:
    network = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ValueError, match=r"lazy module whose '0.weight' is not initialised"):
        probe(network, X)
    assert nn.parameter.is_lazy(network[0].weight)


def test_a_callable_gets_what_was_given_and_has_bursts_alone() -> None:
    def session(x: np.ndarray) -> list[np.ndarray]:
        assert isinstance(x, np.ndarray)
        with torch.no_grad():
            return [NET(torch.from_numpy(x)).numpy()]

    expected = probe(NET, X, frames=None)
    obs = probe(session, X.numpy())
    same(obs, expected)
    assert obs.unframed == "a callable has no derivative"
    same(probe(lambda x: NET(x).detach(), X), expected)
    same(probe(lambda x: NET(x["x"]).tolist(), {"x": X}), expected)
    found = compare(session, NET, X.numpy())
    assert found.verdict == "equivalent" and "callable" in found.diagnostics["frames"]
    noise = 1e-4 * random(30, 12, 3, seed=1)
    burst = {"frames": lambda x: x[:, None] + noise, "burst_std": 1e-4, "dimension": 3}
    assert probe(lambda x: NET(x).detach(), X, **burst).frames is not None


# Layers


@pytest.mark.parametrize(
    "inputs",
    [(X,), Encoding(x=X), X.to_sparse(), DataLoader(TensorDataset(X, LABELS), batch_size=7)],
    ids=["tuple", "keys", "sparse", "loader"],
)
def test_layers_see_inputs_of_every_kind(inputs: Any) -> None:
    found = recorded(Named(), gathered_inputs(inputs), None, None, "a").values
    assert list(found) == ["net.0", "net.1", "net.2"]
    torch.testing.assert_close(found["net.2"], NET(X).detach())


class Sealed(nn.Module):
    r"""All that it holds runs in inference mode, and comes out in a dataclass."""

    def __init__(self) -> None:
        super().__init__()
        self.net = NET

    def forward(self, x: Tensor) -> Output:
        with torch.inference_mode():
            return Output(torch.zeros(()), 2 * self.net(x))


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (InBuffers, [""]),
        (scripted, [""]),
        (traced, [""]),
        (lambda: lambda x: NET(x).detach(), [""]),
        (compiled, ["0", "1", "2"]),
        (compiled_in_place, ["0", "1", "2"]),
        (around_compiled, ["0.0", "0.1", "0.2"]),
        (Sealed, ["net.0", "net.1", "net.2", ""]),
    ],
    ids=["buffers", "scripted", "traced", "callable", "compiled", "in place", "inside", "sealed"],
)
def test_layers_of_networks_of_every_kind(make: Callable[[], Any], names: list[str]) -> None:
    network = make()
    found = recorded(network, X, None, None, "a").values
    assert list(found) == names
    last = found[names[-1]] / (2 if make is Sealed else 1)
    torch.testing.assert_close(last, NET(X).detach())
    again = recorded(network, X, [names[-1]], None, "a").values
    assert torch.equal(again[names[-1]], found[names[-1]])


def test_layers_of_compiled_networks_are_named_either_way() -> None:
    assert list(recorded(compiled(), X, ["_orig_mod.0", "1"], None, "a").values) == ["0", "1"]


def test_lazy_layers_are_refused_by_the_name_of_their_side() -> None:
    with pytest.raises(ValueError, match="'network_b' should have all its parameters, got a lazy module"):
        equiv.compare_layers(NET, nn.Sequential(nn.LazyLinear(3)), X)


# Positions


class Tokens(nn.Module):
    r"""From vectors at positions to vectors at positions, each by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = NET

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        y = self.inner(x)
        return y if attention_mask is None else y / attention_mask[..., None]  # NaN or infinite at padding


SEQUENCES = random(12, 6, 3)
LENGTHS = torch.arange(12) % 5 + 2
MASK = (torch.arange(6) < LENGTHS[:, None]).long()


def test_each_position_is_a_sample_of_its_input() -> None:
    obs = probe(Tokens(), SEQUENCES, positions="each")
    torch.testing.assert_close(obs.values, NET(SEQUENCES.flatten(0, 1)).detach())
    assert torch.equal(obs.groups, torch.arange(12).repeat_interleave(6))
    whole = probe(Tokens(), SEQUENCES)
    torch.testing.assert_close(obs.frames, whole.frames.reshape(72, 5, 18))


@pytest.mark.parametrize("masked", [False, True])
def test_positions_are_summed_up_over_tokens_alone(masked: bool) -> None:
    inputs: Any = {"x": SEQUENCES, "attention_mask": MASK} if masked else SEQUENCES
    lengths = LENGTHS if masked else torch.full((12,), 6)
    outputs = NET(SEQUENCES).detach()
    kept = [outputs[k, : lengths[k]] for k in range(12)]
    each = probe(Tokens(), inputs, positions="each", frames=None)
    torch.testing.assert_close(each.values, torch.cat(kept))
    assert torch.equal(each.groups, torch.arange(12).repeat_interleave(lengths))
    mean = probe(Tokens(), inputs, positions="mean")
    torch.testing.assert_close(mean.values, torch.stack([y.mean(0) for y in kept]))
    last = probe(Tokens(), inputs, positions="last")
    torch.testing.assert_close(last.values, torch.stack([y[-1] for y in kept]))
    whole = probe(Tokens(), SEQUENCES).frames.reshape(12, 6, 5, 18)
    torch.testing.assert_close(last.frames, torch.stack([whole[k, lengths[k] - 1] for k in range(12)]))


def test_layers_leave_out_padding_whatever_stands_there() -> None:
    for inputs in (
        Encoding(x=SEQUENCES, attention_mask=MASK),
        DataLoader([{"x": row, "attention_mask": mask} for row, mask in zip(SEQUENCES, MASK, strict=True)]),
    ):
        found = recorded(Tokens(), gathered_inputs(inputs), None, "each", "a")
        assert list(found.values) == ["inner.0", "inner.1", "inner.2", ""]
        torch.testing.assert_close(found.values[""], NET(SEQUENCES[MASK.bool()]).detach())
        assert torch.equal(found.groups, MASK.nonzero()[:, 0])


def test_padding_on_the_left_is_left_out_too() -> None:
    inputs = {"x": SEQUENCES, "attention_mask": MASK.flip(1)}
    torch.testing.assert_close(
        probe(Tokens(), inputs, positions="last").values, NET(SEQUENCES[:, -1]).detach()
    )


def test_positions_of_pictures_are_those_behind_their_channels() -> None:
    network, x = made(lambda: nn.Conv2d(2, 3, 3)), random(5, 2, 6, 6)
    output = network(x).detach()
    each = probe(network, x, positions="each", frames=None)
    torch.testing.assert_close(each.values, output.permute(0, 2, 3, 1).reshape(-1, 3))
    torch.testing.assert_close(
        probe(network, x, positions="mean", frames=None).values, output.mean(dim=(2, 3))
    )


def test_positions_are_compared_with_their_inputs_as_groups() -> None:
    a, b = Tokens(), nn.Sequential(Tokens(), made(lambda: nn.Linear(5, 5), 1))
    found = compare(a, b, SEQUENCES, positions="each")
    assert "12" in found.diagnostics["groups"] and found.verdict == "equivalent"
    joined = compare(a, b, SEQUENCES, positions="each", groups=torch.arange(12) // 2)
    assert joined.diagnostics["groups"] != found.diagnostics["groups"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: probe(NET, X, positions="first"), "'positions' should be None, 'each', 'mean', 'last', got"),
        (lambda: probe(NET, X, positions="each"), "outputs without positions"),
        (lambda: probe(nn.Conv2d(2, 3, 3), random(5, 2, 6, 6).float(), positions="last"), "but a corner"),
        (
            lambda: probe(Tokens(), {"x": SEQUENCES, "attention_mask": MASK[:, :5]}, positions="mean"),
            "'inputs|positions of the network's output, got 5",
        ),
        (
            lambda: probe(Tokens(), {"x": SEQUENCES, "attention_mask": 0 * MASK}, positions="mean"),
            "with a token in each sample",
        ),
        (
            lambda: probe(NET, DataLoader([torch.zeros(k + 1, 3) for k in range(4)], batch_size=1)),
            "pad all samples to one length",
        ),
        (
            lambda: compare(Observations(X), Observations(X), paired=True, positions="each"),
            "'positions' should be None where 'a' and 'b' are Observations",
        ),
        (lambda: probe(NET, {"x": X}), "'inputs' should be a batch that the network takes, .*TypeError.*'x'"),
        (lambda: probe(lambda x: x["y"], {"x": X}), "which it fails .KeyError: 'y'"),
        (lambda: compare(NET, NET, X, progress="bar"), "'progress' should be True, None or a callable"),
    ],
)
def test_refusals_are_one_sentence(call: Callable[[], object], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# Progress


def test_progress_is_told_from_nothing_to_all(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[int, int, str]] = []
    compare(NET, NET, X, progress=lambda *step: told.append(step))
    assert told[0][0] == 0 and told == sorted(told, key=lambda step: step[:2]) and told[-1][0] == told[-1][1]
    told.clear()
    equiv.equivalence_classes([NET, NET, made(mlp, 3)], X, progress=lambda *step: told.append(step))
    assert told[0][0] == 0 and told[-1][0] == told[-1][1] >= 4
    compare(NET, NET, X, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.endswith(" equivalent\n")


def test_progress_is_told_within_stages_and_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equiv.observe.progress.INTERVAL", 0.0)
    told: list[tuple[int, int, str]] = []
    compare(NET, made(mlp, 3), X, progress=lambda *step: told.append(step))
    labels = [label for _, _, label in told]
    assert labels.count("observing both networks") > 2 and labels.count("learning the maps between them") > 2
    assert told == sorted(told, key=lambda step: step[:2]) and all(done <= total for done, total, _ in told)
    assert told[-1][0] == told[-1][1]

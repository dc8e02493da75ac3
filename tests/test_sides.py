r"""Networks of many inputs: frames of few samples stand for those of all."""

import math

import pytest
import torch
from torch import Tensor, nn

import equiv
from equiv.paired.determinacy import leaking
from equiv.probing import sides as local_frames
from equiv.probing.sides import Probing, observe_pairs

INPUTS, NEURONS = 300, 60


class Linear(nn.Module):
    r"""A linear map, of some of the inputs if so asked."""

    def __init__(self, seed: int, seen: int = INPUTS) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(NEURONS, INPUTS, generator=generator, dtype=torch.float64)
        weight[:, seen:] = 0
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.weight.T / math.sqrt(INPUTS))


def _inputs(n: int = 400) -> Tensor:
    return torch.randn(n, INPUTS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_frames_of_many_inputs_are_taken_at_few_samples():
    sides = [Probing(Linear(seed), _inputs()) for seed in (1, 2)]
    observed, local = observe_pairs(sides)
    assert all(obs.frames is None and len(obs) == 400 for obs in observed)
    assert local is not None
    full = equiv.probe(Linear(1), _inputs())
    assert full.frames is not None and full.frames.numel() > local_frames.FRAME_NUMBERS_PAIRED
    step = 400 // len(local[0]) + (400 % len(local[0]) > 0)
    torch.testing.assert_close(local[0].frames, full.frames[::step])
    torch.testing.assert_close(local[0].values, full.values[::step])


def test_all_samples_have_slopes_along_the_same_few_directions():
    r"""Those of the identity are the directions themselves, on which the Jacobians of the others act."""
    inputs = _inputs()
    observed, _ = observe_pairs([Probing(nn.Identity(), inputs), Probing(Linear(1), inputs)])
    directions, slopes = (obs.slopes for obs in observed)
    full = equiv.probe(Linear(1), inputs).frames
    assert directions is not None and slopes is not None and full is not None
    assert directions.shape == (400, INPUTS, local_frames.FEW_DIRECTIONS)
    assert (directions[0] - directions[1]).norm() > 0.5 * directions[0].norm()
    torch.testing.assert_close(slopes, full @ directions)


def test_there_are_no_common_slopes_of_other_inputs():
    observed, _ = observe_pairs([Probing(Linear(1), _inputs()), Probing(Linear(2), _inputs() + 1)])
    assert all(obs.slopes is None for obs in observed)


def test_the_leak_of_a_linear_relation_is_that_of_the_weights():
    r"""|W_B (1 - W_A^+ W_A)| / |W_B| whatever the samples."""
    wa, wb = (torch.randn(20, 50, generator=torch.Generator().manual_seed(k)).double() for k in (0, 1))
    expected = (wb - wb @ torch.linalg.pinv(wa) @ wa).norm() / wb.norm()
    found, share = leaking(wa.expand(5, 20, 50), wb.expand(5, 20, 50))
    assert found == pytest.approx(expected.item(), rel=1e-9)
    assert share == 1
    assert leaking(wa.expand(5, 20, 50), (wb[:, :20] @ wa).expand(5, 20, 50))[0] < 1e-6


def test_verdicts_of_many_inputs():
    r"""Two networks that see other directions are no twins; a network and its permuted copy are."""
    a, b = Linear(1), Linear(2)
    different = equiv.compare(a, b, _inputs())
    assert different.verdict == "not_equivalent"
    assert different.diagnostics["leak_a_to_b"] > 0.5
    assert "samples" in different.diagnostics["frames"]
    twin = Linear(1)
    twin.weight.data = 3 * twin.weight.data[torch.randperm(NEURONS)]
    twin.weight.data /= 3
    same = equiv.compare(a, twin, _inputs())
    assert same.verdict == "equivalent"
    assert same.a_to_b.error.high < 1e-6
    assert same.diagnostics["leak_a_to_b"] < 1e-6
    mirrored = equiv.compare(b, a, _inputs())
    assert mirrored.verdict == different.verdict
    assert mirrored.diagnostics["leak_b_to_a"] == different.diagnostics["leak_a_to_b"]


@pytest.mark.slow
def test_classes_of_networks_of_many_inputs():
    found = equiv.equivalence_classes([Linear(1), Linear(2), Linear(1)], _inputs(100))
    assert found.labels.tolist() == [0, 1, 0]


def test_observations_beside_a_network_of_many_inputs():
    x = _inputs()
    recorded = equiv.probe(Linear(1), x, frames=None)
    assert equiv.compare(recorded, Linear(1), x, paired=True).verdict == "equivalent"


def test_unrelated_inputs_of_too_many_entries_are_refused_at_once():
    x = torch.zeros(3000, 500, dtype=torch.float64)
    network = nn.Linear(500, 200).double()
    with pytest.raises(ValueError, match=r"'frames_a' should span at most 8 .*500 input entries"):
        equiv.compare(network, network, x, x)

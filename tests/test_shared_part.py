"""What a direction says beyond one error: neurons, samples, read-outs, how many samples would decide."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import equiv
from equiv.comparison import Comparison
from equiv.observe.draws import Draws
from equiv.shared_part.held_out import OTHERS, HeldOut
from equiv.shared_part.needed import needed_samples
from equiv.verdict import Interval, percent


def pair(n: int = 240, noise: float = 0.3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Six neurons of A, and of B a mixture of them with noise, one neuron that never changes, one of noise alone."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, 6, generator=generator)
    b = a @ torch.randn(6, 4, generator=generator) + noise * torch.randn(n, 4, generator=generator)
    alone = torch.randn(n, 1, generator=generator)

    return a, torch.cat([b, torch.full((n, 1), 3.0), alone], dim=1)


def compared(a: Tensor, b: Tensor, **options: object) -> Comparison:
    return equiv.compare(equiv.Observations(a), equiv.Observations(b), paired=True, **options)


def test_errors_of_neurons_add_up_to_the_error() -> None:
    a, b = pair()
    found = compared(a, b).a_to_b
    assert found.by_neuron is not None and found.explained is not None
    variance = b.double().var(dim=0, correction=0)
    together = (found.by_neuron.square() * variance).nansum() / variance.sum()

    assert together.sqrt().item() == pytest.approx(found.error.estimate, rel=1e-6)
    assert found.by_neuron.isnan().tolist() == [False, False, False, False, True, False]
    assert found.by_neuron[5] > 0.9 > 3 * found.by_neuron[:4].max()
    assert found.explained.estimate == pytest.approx(1 - found.error.estimate**2)
    assert found.explained.low <= found.explained.estimate <= found.explained.high


def test_identification_is_what_drawing_crowds_shows() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(300, 2, generator=generator, dtype=torch.float64)
    missed = 0.2 * torch.randn(300, 2, generator=generator, dtype=torch.float64)
    found = HeldOut(target, missed, Draws.single(300)).identification(0.95)
    distance = torch.cdist(target - missed, target)
    right = []

    for i in range(300):
        others = torch.tensor([j for j in range(300) if j != i])
        crowds = torch.stack([others[torch.randperm(299, generator=generator)[:OTHERS]] for _ in range(30)])
        right.append((distance[i][crowds] > distance[i, i]).all(dim=1).double().mean())

    assert found.estimate == pytest.approx(torch.stack(right).mean().item(), abs=0.01)
    assert found.low < found.estimate < found.high


def test_identification_of_strangers_is_chance_and_of_few_unknown() -> None:
    generator = torch.Generator().manual_seed(1)
    target, image = torch.randn(2, 1500, 5, generator=generator, dtype=torch.float64)
    found = HeldOut(target, target - image, Draws.single(1500)).identification(0.95)
    few = HeldOut(target[:99], 0 * target[:99], Draws.single(99)).identification(0.95)

    assert found.low < 1 / (1 + OTHERS) < found.high
    assert math.isnan(few.estimate)


def test_partners_in_the_own_group_are_no_others() -> None:
    generator = torch.Generator().manual_seed(2)
    centre = torch.randn(150, 3, generator=generator, dtype=torch.float64)
    target = centre.repeat_interleave(4, dim=0) + 1e-3 * torch.randn(600, 3, generator=generator).double()
    missed = 0.01 * torch.randn(600, 3, generator=generator).double()
    alone = HeldOut(target, missed, Draws.single(600)).identification(0.95)
    grouped = HeldOut(target, missed, Draws(torch.arange(150).repeat_interleave(4))).identification(0.95)

    assert grouped.estimate > 0.95 > alone.estimate + 0.1
    assert grouped.high - grouped.low > alone.high - alone.low or grouped.estimate > 0.99


def test_read_outs_are_read_off_held_out_images() -> None:
    a, b = pair()
    found = compared(a, b, readout_b=nn.Identity(), readout_a=lambda values: values[:, 0])

    assert found.a_to_b.readout_error is not None
    assert found.a_to_b.readout_error.estimate == pytest.approx(found.a_to_b.error.estimate, rel=1e-5)
    assert found.a_to_b.readout_agreement is not None and found.a_to_b.readout_agreement.estimate > 0.8
    assert found.b_to_a.readout_agreement is None and found.b_to_a.readout_error is not None
    assert found.b_to_a.by_neuron is not None
    assert found.b_to_a.readout_error.estimate == pytest.approx(found.b_to_a.by_neuron[0].item(), rel=1e-5)


def test_read_outs_run_in_eval_mode_and_are_left_as_they_were() -> None:
    a, b = pair(120)
    modes: list[bool] = []

    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 3).double()

        def forward(self, values: Tensor) -> Tensor:
            modes.append(self.training or torch.is_grad_enabled())

            return self.layer(values)

    head = Head().train()
    compared(a, b, readout_b=head)

    assert modes and not any(modes) and head.training


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"readout_b": 3}, TypeError, "'readout_b'"),
        ({"readout_b": lambda values: values.sum()}, ValueError, "one row"),
        ({"readout_b": lambda values: [values]}, TypeError, "tensor"),
    ],
)
def test_read_outs_that_are_none_are_refused(arguments: dict, kind: type, text: str) -> None:
    with pytest.raises(kind, match=text):
        compared(*pair(60), **arguments)


def test_needed_samples_follow_the_learning_curve() -> None:
    # An error that halves where the samples are quadrupled, now at twice the tolerance.
    squared = torch.full((400,), 0.01)
    found = needed_samples(Interval(0.1, 0.095, 0.105), 0.05, ["it still falls"], 400, (squared, 2 * squared))
    assert found is not None and 1600 <= found <= 1.5 * 1600 * 1.3

    # However many they are, they are told: an error that falls by a twentieth at each doubling.
    slow = needed_samples(
        Interval(0.1, 0.095, 0.105), 0.05, ["it still falls"], 400, (squared, squared / 0.95**2)
    )
    assert slow is not None and 400 * 2**13 <= slow <= 1.5 * 400 * 2**14 * 1.3

    # One that falls no more is never within the tolerance, and is decided where nothing forbids a no.
    flat = (squared, squared)
    assert needed_samples(Interval(0.1, 0.095, 0.105), 0.05, ["doubt"], 400, flat) is None
    assert needed_samples(Interval(0.1, 0.095, 0.105), 0.05, [], 400, flat) is None
    straddling = needed_samples(Interval(0.055, 0.049, 0.06), 0.05, [], 400, flat)
    assert straddling is not None and 400 < straddling < 1600


def test_the_sentence_says_what_changes_the_conclusion() -> None:
    a, b = pair()
    found = compared(a, b, readout_b=nn.Identity())
    other = compared(b, a, readout_a=nn.Identity())
    decided = compared(a, 2 * a, readout_b=nn.Identity())

    agreement = found.a_to_b.readout_agreement
    assert agreement is not None
    told = f"Read off the image of A, the answer of B is the same in {percent(agreement.estimate)} %"
    assert told in found.sentence and "Read off" not in decided.sentence
    assert "Read off the image of B, the answer of A" in other.sentence


def test_a_decided_direction_needs_nothing() -> None:
    a, _ = pair()
    found = compared(a, 2 * a)

    assert found.verdict == "equivalent" and found.a_to_b.needed is None


def test_what_is_shared_is_mirrored_saved_and_summed_up(tmp_path: Path) -> None:
    a, b = pair()
    found = compared(a, b, readout_b=nn.Identity())
    other = compared(b, a, readout_a=nn.Identity())
    found.save(tmp_path)
    again = equiv.load(tmp_path)

    assert other.mirrored.to_dict() == found.to_dict()
    assert again.to_dict() == found.to_dict() and again.summary() == found.summary()
    assert {"explained", "by_neuron", "identification", "readout_error", "needed"} <= found.to_dict()[
        "a_to_b"
    ].keys()
    assert "explained A to B" in found.summary(details=True) and "the right one of 100" in found.summary(
        details=True
    )
    assert dataclasses.replace(found.a_to_b, share=0.5).explained == found.a_to_b.explained

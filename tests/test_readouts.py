r"""What is read off without pairs: held against the truth, several maps that fit as well included."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import equiv
from equiv import Observations
from equiv.observe.draws import Draws
from equiv.unpaired.readouts import Place, answers_without_pairs
from equiv.verdict import Interval

LENGTH = 2.0


def curve_a(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([x.sin(), (1.3 * x).cos(), x**2], 1), torch.stack(
        [x.cos(), -1.3 * (1.3 * x).sin(), 2 * x], 1
    )


def curve_b(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cat([x, x.exp(), x.cos()], 1), torch.stack([torch.ones_like(x), x.exp(), -x.sin()], 1)


def draw(n: int, seed: int, known: Tensor, length: float = LENGTH) -> Tensor:
    x = length * torch.rand(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return torch.cat([x, known])


def pair(
    anchors: int = 2, n: int = 100, length: float = LENGTH
) -> tuple[Observations, Observations, Tensor | None]:
    r"""Two curves over one interval, or B's over another."""
    known = torch.tensor([[0.2], [1.7]]).double()[:anchors]
    a, b = Observations(*curve_a(draw(n, 0, known))), Observations(*curve_b(draw(n, 1, known, length)))

    return a, b, torch.stack([n + torch.arange(anchors)] * 2, dim=1) if anchors else None


def compared(anchors: int = 2, length: float = LENGTH, **readouts: object) -> equiv.Comparison:
    a, b, known = pair(anchors, length=length)

    return equiv.compare(a, b, paired=False, anchors=known, **readouts)  # type: ignore[arg-type]


def logits(values: Tensor) -> Tensor:
    return torch.stack([values[:, 0], 1.3 * values[:, 1] - 3, 2 - 3 * values[:, 2]], dim=1)


@pytest.fixture(scope="module")
def found() -> equiv.Comparison:
    return compared(readout_b=logits)


def test_without_pairs_answers_are_those_of_the_map(found: equiv.Comparison) -> None:
    x = draw(2000, 5, torch.empty(0, 1).double())
    own = logits(curve_b(x)[0])
    said = logits(found.transformation(curve_a(x)[0]))
    error = ((said - own).norm() / (own - own.mean(dim=0)).norm()).item()
    same = (said.argmax(dim=1) == own.argmax(dim=1)).double().mean().item()
    read, agreement = found.a_to_b.readout_error, found.a_to_b.readout_agreement

    assert read is not None and read.low <= error <= read.high < 0.01
    assert agreement is not None and 0.9 < agreement.low <= same <= agreement.high
    assert found.b_to_a.readout_error is None and found.b_to_a.readout_agreement is None
    assert "read-out A to B" in found.summary() and "explained" not in found.summary()


def test_answers_are_exchanged_with_the_names_saved_and_loaded(
    found: equiv.Comparison, tmp_path: Path
) -> None:
    a, b, known = pair()
    other = equiv.compare(b, a, paired=False, anchors=known, readout_a=logits)
    found.save(tmp_path)
    loaded = equiv.load(tmp_path)

    assert isinstance(loaded, equiv.Comparison) and found.a_to_b.readout_error is not None
    assert other.b_to_a.readout_error == found.a_to_b.readout_error == loaded.a_to_b.readout_error
    assert other.b_to_a.readout_agreement == found.a_to_b.readout_agreement == loaded.a_to_b.readout_agreement
    assert found.a_to_b.to_dict()["readout_error"] == found.a_to_b.readout_error._asdict()
    assert "readout_error" not in found.b_to_a.to_dict()


def test_without_a_map_nothing_is_read_off() -> None:
    found = compared(0, length=1.0, readout_b=logits)

    assert found.verdict == "not_equivalent" and found.a_to_b.readout_error is None


def test_scales_of_neurons_change_no_answer() -> None:
    a, b, known = pair()
    scale = torch.tensor([1e-20, 1.0, 1e20]).double()
    assert b.frames is not None
    other = Observations(b.values * scale, b.frames * scale[:, None])
    found = equiv.compare(a, b, paired=False, anchors=known, readout_b=logits)
    scaled = equiv.compare(
        a, other, paired=False, anchors=known, readout_b=lambda values: logits(values / scale)
    )

    assert found.a_to_b.readout_agreement == scaled.a_to_b.readout_agreement


def line(n: int = 400) -> Place:
    r"""A straight manifold, on which a read-out of its coordinate is off by as much as the map."""
    u = draw(n, 3, torch.empty(0, 1).double())
    values = torch.cat([u, 2 * u], dim=1)

    return Place(
        values, u, 1, Draws.single(n), lambda moved: values + moved @ torch.tensor([[1.0, 2.0]]).double()
    )


@pytest.mark.parametrize("level", [1e-6, 0.01, 0.3])
def test_on_a_line_the_error_of_a_linear_read_out_is_that_of_the_map(level: float) -> None:
    error = Interval(level, level / 2, 2 * level)
    read, _ = answers_without_pairs([line()], 0.0, error, nn.Identity(), torch.float64, 0.95, 0)

    assert read is not None and read.estimate == pytest.approx(level, rel=1e-6)
    assert 0.3 * level < read.low < 0.55 * level and 1.9 * level < read.high < 6 * level


def test_maps_that_fit_as_well_count_where_they_change_the_answer() -> None:
    own = line()
    turned = Place(LENGTH * torch.tensor([[1.0, 2.0]]) - own.target, own.coordinates, 1, own.draws, own.moved)

    def from_middle(values: Tensor) -> Tensor:
        return (values[:, :1] - LENGTH / 2).square()

    blind, seeing = (
        answers_without_pairs(
            [own, turned], 2.0, Interval(0.01, 0.005, 0.02), readout, torch.float64, 0.95, 0
        )[0]
        for readout in (from_middle, lambda values: values[:, :1])
    )

    assert blind is not None and seeing is not None
    # A line turned round: of what is the same at both ends nothing is lost.
    assert 0.001 < blind.low < blind.high < 0.2
    assert seeing.low < 0.02 and 1.2 < seeing.estimate < 1.6 and seeing.high > 1.9


def test_answers_know_no_more_than_the_error() -> None:
    def answers(error: Interval, ambiguity: float = 0.0) -> tuple:
        return answers_without_pairs([line()], ambiguity, error, nn.Identity(), torch.float64, 0.95, 0)

    nothing = math.nan
    assert math.isnan(answers(Interval(nothing, nothing, nothing))[0].estimate)
    unbounded, agreement = answers(Interval(0.01, 0.0, math.inf))
    assert unbounded.high == math.inf and agreement.low == 0.0
    # Several maps fit, and which they are is not known: any sample may be the partner.
    any_map, agreement = answers(Interval(0.01, 0.005, 0.02), ambiguity=2.0)
    assert any_map.high >= 2.0 and any_map.low < 0.01 and agreement.low == 0.0 < agreement.high

r"""Open regions of the plane wound round cylinders, on exact coordinates."""

import math

import pytest
import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.registration.register import register
from equiv.registration.result import Relation

PERIOD = torch.tensor([[3.0, 4.0]], dtype=torch.float64)  # of length 5, along no axis
AROUND, ACROSS = torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64)
HEIGHT = 2.0


def cylinder(n: int = 400) -> Domain:
    unit = torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    return Domain(unit[:, :1] * PERIOD + HEIGHT * unit[:, 1:] * ACROSS, PERIOD)


def strip(length: float, width: float, n: int = 400) -> Domain:
    r"""An open rectangle, turned and shifted."""
    unit = torch.rand(n, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)

    return Domain(unit * torch.tensor([length, width], dtype=torch.float64) @ turn.T + 7.0)


def height_of(coordinates: Tensor) -> Tensor:
    return coordinates @ ACROSS


@pytest.mark.parametrize("length", [5.0, pytest.param(8.0, marks=pytest.mark.slow)])
def test_a_strip_long_enough_is_wound_round_a_cylinder_as_high_as_it_is_wide(length: float) -> None:
    source, target = strip(length, HEIGHT), cylinder()
    found = register(source, target, None, 0.02)

    assert found.relation is Relation.A_ONTO_B and found.symmetries == math.inf
    assert found.motion is not None and min(found.overlap_a, found.overlap_b) > 0.9
    torch.testing.assert_close(found.motion.matrix @ found.motion.matrix.T, torch.eye(2, dtype=torch.float64))
    # Its ends across come to lie on the cylinder's, which the outermost of n samples miss by HEIGHT / n on average.
    reached, wanted = height_of(found.motion(source.coordinates)), height_of(target.coordinates)
    for end in (torch.amin, torch.amax):
        assert abs(end(reached, dim=0) - end(wanted, dim=0)) < 10 * HEIGHT / len(reached)

    mirrored = register(target, source, None, 0.02)
    assert mirrored.relation is Relation.B_ONTO_A
    assert (mirrored.overlap_a, mirrored.overlap_b) == (found.overlap_b, found.overlap_a)


@pytest.mark.parametrize(
    ("length", "width"),
    [(3.0, HEIGHT), (6.0, 1.4 * HEIGHT), pytest.param(5.0, 0.5 * HEIGHT, marks=pytest.mark.slow)],
    ids=["short", "wide", "narrow"],
)
def test_a_strip_too_short_or_of_another_width_is_not(length: float, width: float) -> None:
    found = register(strip(length, width), cylinder(), None, 0.02)

    assert found.relation is Relation.NONE and found.motion is None
    assert "cannot be wound round it" in found.reason


def test_anchors_are_not_made_use_of() -> None:
    anchors = torch.tensor([[0, 0], [1, 1]])
    found = register(strip(6.0, HEIGHT), cylinder(), anchors, 0.02)

    assert found.relation is Relation.UNDECIDED and "anchors are not made use of" in found.reason

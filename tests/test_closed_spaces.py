r"""Cylinders and tori laid over each other without anchors."""

import math

import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.registration.closed_spaces import register_closed
from equiv.registration.result import Relation

PERIOD = torch.tensor([[3.0, 4.0]], dtype=torch.float64)  # of length 5, along no axis
ACROSS = torch.tensor([-0.8, 0.6], dtype=torch.float64)
IDENTITY = torch.eye(2, dtype=torch.float64)


def _cylinder(height: float, shift: float, seed: int, n: int = 2000) -> Domain:
    r"""Coordinates on several sheets, as charts of cylinders have them."""
    generator = torch.Generator().manual_seed(seed)
    around = 3 * torch.rand(n, 1, generator=generator, dtype=torch.float64)
    across = height * torch.rand(n, 1, generator=generator, dtype=torch.float64) + shift

    return Domain(around * PERIOD + across * ACROSS, PERIOD)


def test_the_middle_of_a_cylinder_is_found_and_its_error_with_it() -> None:
    r"""The midrange of n uniform samples has a standard error of height / (n sqrt 2), for both sides together 1 / n."""
    misses, errors = [], []

    for seed in range(40):
        found = register_closed(_cylinder(1.0, 0.3, seed), _cylinder(1.0, -2.0, 100 + seed), [IDENTITY], 0.02)
        assert found.relation is Relation.ISOMETRIC and found.motion is not None
        assert found.symmetries == math.inf
        misses.append(float(found.motion.offset @ ACROSS) + 2.3)
        errors.append(found.slack)

    rms = Tensor(misses).square().mean().sqrt().item()
    assert rms < 3 / 2000
    assert 0.5 < Tensor(errors).mean().item() / rms < 2


def test_cylinders_of_other_heights_are_excluded() -> None:
    found = register_closed(_cylinder(1.0, 0.0, 0), _cylinder(1.2, 0.0, 1), [IDENTITY], 0.02)
    assert found.relation is Relation.NONE
    assert "1.2 times as long" in found.reason


def test_any_shift_of_a_torus_fits() -> None:
    periods = torch.tensor([[3.0, 4.0], [-0.8, 0.6]], dtype=torch.float64)
    torus = Domain(torch.rand(500, 2, generator=torch.Generator().manual_seed(0)).double() @ periods, periods)
    found = register_closed(torus, torus, [IDENTITY], 0.02)
    assert found.symmetries == math.inf and found.slack == 0

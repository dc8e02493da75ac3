"""Isometric coordinates against the hidden inputs, which they never see."""

import math

import pytest
import torch
from manifolds import DOMAINS, observe, rigid_error

from equiv.isometric import IsometricMaps


@pytest.mark.parametrize(("name", "mark"), [("interval", 1e-5), ("square", 2e-4)])
def test_flat_charts_recover_the_inputs(name: str, mark: float) -> None:
    x = DOMAINS[name].sample(800, seed=1)
    flat = IsometricMaps().fit(observe(DOMAINS[name], x, 5, seed=1))
    assert flat.accepted_ and flat.periods_ is None
    assert rigid_error(flat.coordinates_, x) < mark


def test_circle_has_its_period() -> None:
    x = DOMAINS["circle"].sample(400, seed=2)
    flat = IsometricMaps().fit(observe(DOMAINS["circle"], x, 5, seed=2))
    assert flat.accepted_ and flat.periods_ is not None
    assert flat.periods_.abs().item() == pytest.approx(2 * math.pi, rel=1e-4)
    turn = torch.exp(1j * flat.coordinates_[:, 0]), torch.exp(1j * x[:, 0])
    alignment = max((turn[0] * turn[1]).mean().abs(), (turn[0].conj() * turn[1]).mean().abs())
    assert alignment > 1 - 1e-8  # half the squared angle error

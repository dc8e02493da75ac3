r"""The numbers of an evaluation against closed forms."""

import math

import pytest
import torch

import equiv
from lightning_modules.circle import AngleMap, euclidean_angle_errors, wrapped
from lightning_modules.evaluations.cross_view import psnr
from lightning_modules.evaluations.everything import Everything
from lightning_modules.evaluations.finding import relative_error


def test_wrapped_angles_differ_by_full_turns() -> None:
    angle = torch.linspace(-20, 20, 401, dtype=torch.float64)
    turns = (angle - wrapped(angle)) / (2 * math.pi)
    assert torch.allclose(turns, turns.round(), atol=1e-12)
    assert wrapped(angle).min() >= -math.pi
    assert wrapped(angle).max() < math.pi


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_three_anchors_fix_the_direction_and_the_origin_of_a_circle(sign: float) -> None:
    source = torch.tensor([0.3, 1.7, 4.4], dtype=torch.float64)
    found = AngleMap.through(source, sign * source + 2.5)
    assert found.sign == sign
    assert wrapped(torch.tensor(found.shift - 2.5)).abs() < 1e-12
    assert torch.allclose(found(torch.tensor([0.9])), wrapped(torch.tensor([sign * 0.9 + 2.5])), atol=1e-6)


def curve(angle: torch.Tensor, stretch: float) -> torch.Tensor:
    r"""A circle run through at the speed 1 + stretch cos(angle)."""
    run = angle + stretch * angle.sin()

    return torch.stack([run.cos(), run.sin()], dim=1)


def test_the_euclidean_kernel_knows_length_along_the_curve_and_not_the_angle() -> None:
    probe = torch.arange(200, dtype=torch.float64) * (2 * math.pi / 200)
    held_out = torch.linspace(0.1, 6.1, 40, dtype=torch.float64)
    anchors = torch.tensor([[20, 20], [90, 90], [150, 150]])

    def median(stretch: float) -> float:
        errors, size = euclidean_angle_errors(
            (curve(probe, 0.0), curve(probe, stretch)),
            (curve(held_out, 0.0), curve(held_out, stretch)),
            anchors,
        )
        assert errors.shape == (40,)
        assert size == float(errors.abs().median())

        return size

    # At constant speed, length is the angle; there only the grid's spacing is left.
    assert median(0.0) < 2 * math.pi / 200
    # Arc length is off by stretch * sin(angle); bandwidths chosen with the truth at hand do a little better.
    arc_length = float((0.4 * held_out.sin()).abs().median())
    assert 0.1 * arc_length < median(0.4) < arc_length


def test_the_euclidean_baseline_needs_two_anchors() -> None:
    probe = curve(torch.linspace(0, 6, 50), 0.0)
    assert euclidean_angle_errors((probe, probe), (probe, probe), torch.zeros(1, 2, dtype=torch.long)) is None


def test_relative_error_is_one_for_the_mean_and_zero_for_the_truth() -> None:
    true = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    assert relative_error(true, true) == 0
    assert relative_error(true.mean(dim=0).expand(100, 3), true) == pytest.approx(1)
    assert math.isnan(relative_error(None, true))


def test_psnr_of_a_constant_error() -> None:
    pictures = torch.zeros(2, 3, 4, 4)
    assert psnr(pictures + 0.1, pictures) == pytest.approx(20, abs=1e-4)


def test_few_principal_components_stand_for_everything():
    # 40 inputs of 200 columns that are smooth functions of one angle: a map to their components loses nothing.
    angle = torch.linspace(0, 2 * torch.pi, 41, dtype=torch.float64)[:-1]
    mixing = torch.randn(4, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = torch.stack([angle.cos(), angle.sin(), (2 * angle).cos(), (2 * angle).sin()], dim=1) @ mixing + 3
    neurons = torch.stack([angle.cos(), angle.sin()], dim=1)
    known = Everything(values, neurons, [100, 60, 40], [1.0, 1.0, 1.0])
    learned, both = known.from_neurons(torch.arange(2)), torch.arange(2)
    plain = equiv.reconstruct(neurons, values)
    assert learned.axes is not None and learned.axes.shape == (200, 4)
    fresh = neurons.roll(1, dims=0) + neurons
    fresh = fresh / fresh.norm(dim=1, keepdim=True)
    torch.testing.assert_close(learned.predict(fresh), plain.predict(fresh), rtol=0, atol=2e-2)
    assert max(known.predicted(learned, both).errors(known)) < 1e-3

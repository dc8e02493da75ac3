"""Figures show what they are given, in the right place, without touching matplotlib's state."""

import matplotlib
import matplotlib.figure
import numpy as np
import pytest
import torch
from pages import drawn

from equiv.figures.charts import charts_figure, error_map_figure, registration_figure, spectrum_figure
from equiv.figures.drawing import chart_colours, chart_positions, common_periods, into_drawn_cell
from lightning_modules.figures import cameras

CIRCLE = np.array([[2 * np.pi]])


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def horse(generator: torch.Generator, k: int = 4, q: int = 50) -> dict[str, torch.Tensor]:
    true = 2 * torch.pi * torch.rand(q, generator=generator)
    error = 0.003 * torch.randn(q, generator=generator)

    return {
        "picture_a": torch.rand(k, 3, 16, 16, generator=generator),
        "predicted_b": torch.rand(k, 3, 16, 16, generator=generator) + 0.2,
        "true_b": torch.rand(k, 3, 16, 16, generator=generator),
        "angles": 2 * torch.pi * torch.arange(k) / k,
        "true_angle": true,
        "recovered_angle": true + error + 2 * torch.pi,
        "errors_mahalanobis": error,
        "errors_euclidean": 50 * error,
        "eigenvalues_a": torch.tensor([0.0, 1.0, 1.0, 4.0, 4.1, 9.1, 9.2, 16.0]),
        "eigenvalues_b": torch.tensor([1.0, 1.0, 4.0, 4.1]),
    }


def test_no_window_and_no_setting_changes(generator: torch.Generator) -> None:
    before = dict(matplotlib.rcParams)
    drawn(cameras.horse_figure(**horse(generator)))
    assert dict(matplotlib.rcParams) == before


def test_both_angles_of_a_torus_have_their_panels(generator: torch.Generator) -> None:
    given = horse(generator)
    pictures = [given[name] for name in ("picture_a", "predicted_b", "true_b", "angles")]
    true = 2 * torch.pi * torch.rand(50, 2, generator=generator)
    error = torch.tensor([0.01, 0.03]) * torch.randn(50, 2, generator=generator)
    figure = drawn(cameras.gait_figure(*pictures, true, true + error, error, 10 * error))
    titles = [axes.get_title("left") for axes in figure.axes[12:]]
    assert titles == [
        "The yaw",
        "Its error",
        "The phase of the gait",
        "Its error",
    ]
    medians = [float(error[:, k].abs().median().rad2deg()) for k in (0, 1)]
    assert all(f"median {median:.2g}°" in figure.get_label() for median in medians)


def test_cross_view_draws_each_picture_clipped_with_its_angle(generator: torch.Generator) -> None:
    given = horse(generator)
    rows = [given[name] for name in ("picture_a", "predicted_b", "true_b")]
    figure = drawn(cameras.cross_view_figure(*rows, given["angles"]))
    assert len(figure.axes) == 12
    shown = np.stack([np.asarray(axes.images[0].get_array()) for axes in figure.axes]).reshape(
        3, 4, 16, 16, 3
    )
    expected = torch.stack(rows).clamp(0, 1).permute(0, 1, 3, 4, 2).double().numpy()
    np.testing.assert_array_equal(shown, expected)
    assert [axes.get_title() for axes in figure.axes[:4]] == ["0°", "90°", "180°", "270°"]
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts[::2] == ["Camera A", "Camera B, predicted", "Camera B, true"]


def test_cross_view_refuses_rows_that_do_not_belong_together(generator: torch.Generator) -> None:
    given = horse(generator)
    with pytest.raises(ValueError, match="equally many"):
        cameras.cross_view_figure(given["picture_a"], given["predicted_b"][:2], given["true_b"])
    with pytest.raises(ValueError, match="'true_b' should have shape"):
        cameras.cross_view_figure(given["picture_a"], given["predicted_b"], given["true_b"].movedim(1, 3))


def test_angles_are_read_modulo_a_turn() -> None:
    true = torch.tensor([0.001, 3.0, 2 * torch.pi - 0.001])
    recovered = torch.tensor([-0.001, 3.0 + 4 * torch.pi, 0.001])
    figure = drawn(cameras.angle_scatter(true, recovered, recovered - true, recovered - true))
    points = np.asarray(figure.axes[0].collections[0].get_offsets())
    assert np.abs(points[:, 1] - points[:, 0]).max() < 0.12  # 0.002 radians are 0.115 degrees


def test_angle_panel_states_median_and_percentile() -> None:
    true = torch.linspace(0, 6, 101)
    error = torch.deg2rad(torch.linspace(0, 2, 101))
    figure = drawn(cameras.angle_scatter(true, true + error, error, -10 * error))
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts == [
        "Euclidean kernel\nmedian 10°\n95 % below 19°",
        "Mahalanobis metric\nmedian 1°\n95 % below 1.9°",
    ]


def test_labels_of_near_medians_do_not_overlap() -> None:
    true = torch.linspace(0, 6, 101)
    error = torch.deg2rad(torch.linspace(0.1, 2, 101))
    figure = drawn(cameras.angle_scatter(true, true + error, error, 1.1 * error))
    lower, upper = sorted((t.get_window_extent() for t in figure.axes[1].texts), key=lambda box: box.y0)
    assert lower.y1 <= upper.y0


def test_spectrum_leaves_out_the_trivial_eigenvalue_on_either_side() -> None:
    figure = drawn(spectrum_figure([0.0, 1.0, 1.1, 4.0], [0.9, 1.0, 4.1], exact=[0, 1, 1, 4]))
    a, b = (np.asarray(line.get_ydata()) for line in figure.axes[0].lines)
    np.testing.assert_array_equal(a, [1.0, 1.1, 4.0])
    np.testing.assert_array_equal(b, [0.9, 1.0, 4.1])


@pytest.mark.parametrize("m", [1, 2, 3, 5])
@pytest.mark.parametrize("closed", [0, 1])
def test_charts_of_every_dimension(m: int, closed: int, generator: torch.Generator) -> None:
    a, b = torch.rand(40, m, generator=generator), torch.rand(30, m, generator=generator)
    periods = torch.eye(m)[:closed] if closed else None
    drawn(charts_figure(a, b, periods_a=periods, periods_b=periods))
    drawn(charts_figure(a, b, colour=a[:, 0], colour_b=b[:, 0], periods_a=periods))
    drawn(registration_figure(a, b, torch.tensor([[0, 1], [2, 3]]), periods_a=periods, periods_b=periods))
    drawn(error_map_figure(a, a[:, 0] ** 2, periods=periods))


def test_colours_by_an_angle_forget_whole_turns(generator: torch.Generator) -> None:
    points, angle = torch.rand(20, 2, generator=generator), 6 * torch.rand(20, generator=generator)
    figure = drawn(charts_figure(points, points, angle, angle + 4 * torch.pi, turn=2 * torch.pi))
    first, second = (np.asarray(axes.collections[0].get_facecolors()) for axes in figure.axes)
    np.testing.assert_allclose(first, second, atol=1e-5)  # angles in float32


def test_charts_of_different_dimension_stand_side_by_side_only(generator: torch.Generator) -> None:
    a, b = torch.rand(20, 2, generator=generator), torch.rand(20, 1, generator=generator)
    drawn(charts_figure(a, b))
    with pytest.raises(ValueError, match="as many columns"):
        registration_figure(a, b)


def test_error_map_takes_zeros_and_nan(generator: torch.Generator) -> None:
    errors = torch.rand(20, generator=generator)
    errors[0], errors[1] = 0.0, torch.nan
    drawn(error_map_figure(torch.rand(20, 2, generator=generator), errors))
    with pytest.raises(ValueError, match="one number for each of the 20 points"):
        error_map_figure(torch.rand(20, 2, generator=generator), errors[:3])


def test_ring_forgets_whole_periods() -> None:
    u = np.linspace(0, 5, 7)[:, None]
    at = chart_positions(u, CIRCLE)
    np.testing.assert_allclose(at, chart_positions(u + 3 * CIRCLE, CIRCLE), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(at, axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(
        chart_colours(u, CIRCLE), chart_colours(u - 2 * CIRCLE, CIRCLE, like=u), atol=1e-12
    )


def test_wrap_brings_points_into_the_cell_by_whole_periods() -> None:
    periods = np.array([[1.0, 0.2, 0.0], [-0.3, 2.0, 0.0]])
    u = 10 * np.random.default_rng(0).standard_normal((50, 3))
    wrapped = into_drawn_cell(u, periods)
    share = wrapped @ np.linalg.pinv(periods)
    steps = (u - wrapped) @ np.linalg.pinv(periods)
    assert share.min() >= -1e-12 and share.max() <= 1 + 1e-12
    np.testing.assert_allclose(steps, steps.round(), atol=1e-12)
    np.testing.assert_array_equal(wrapped[:, 2], u[:, 2])


def test_common_periods_are_those_of_the_covered_chart() -> None:
    assert common_periods(2 * CIRCLE, CIRCLE) is CIRCLE
    assert common_periods(None, CIRCLE) is CIRCLE
    assert common_periods(None, None) is None


def test_colours_are_the_same_for_the_same_place() -> None:
    a = np.random.default_rng(0).random((30, 2))
    np.testing.assert_array_equal(chart_colours(a[:5], like=a), chart_colours(a)[:5])
    assert chart_colours(a).min() >= 0 and chart_colours(a).max() <= 1


def test_each_figure_says_what_it_shows(generator: torch.Generator) -> None:
    given = horse(generator)
    said = cameras.horse_figure(**given).get_label()
    predicted, true = given["predicted_b"].double(), given["true_b"].double()
    accuracy = -10 * (predicted - true).square().mean().log10().item()
    error = np.median(given["errors_mahalanobis"].abs().rad2deg().double().numpy())
    assert f"{accuracy:.1f} dB" in said
    assert f"median {error:.2g}°" in said
    assert "A 1, 1, 4, 4.1, 9.1, 9.2, 16; B 1, 1, 4, 4.1; exact 1, 1, 4, 4, 9, 9" in said
    points = torch.rand(20, 2, generator=generator)
    assert "20 points" in error_map_figure(points, points[:, 0]).get_label()
    assert "2 anchors" in registration_figure(points, points, [[0, 0], [1, 1]]).get_label()
    assert "dimension 2" in charts_figure(points, points).get_label()

r"""What only the hidden angles can tell: how good the transformation between two cameras really is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import equiv
from equiv import plot
from equiv.lattice import wrap
from equiv.report import PictureStrip
from lightning_modules.circle import AngleMap, euclidean_angle_errors
from lightning_modules.data.views import Views
from lightning_modules.pair import NetworkPair

__all__ = ["CrossView", "Finding"]


class Matched(Protocol):
    r"""What the matching leaves: its result, what it compared, and how to observe more of the same."""

    result: equiv.Comparison
    observations: tuple[equiv.Observations, equiv.Observations]
    probed_a: Callable[[nn.Module, Tensor], equiv.Observations]
    probed_b: Callable[[nn.Module, Tensor], equiv.Observations]


@dataclass
class Finding:
    r"""An experiment's own numbers, and its figures.

    Attributes:
        metrics: Named numbers; NaN where there is nothing to measure.
        figures: Figures of matplotlib, by file name.
        strips: Pictures for the report.
    """

    metrics: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    strips: list[PictureStrip] = field(default_factory=list)


class CrossView:
    r"""Camera B's pictures from A's activations, and the angle that the transformation recovers.

    All errors are on the held-out pictures, which both cameras took at the same fresh angles and which
    neither training nor matching ever saw. They, and the hidden angles, are read here alone.

    Arguments:
        columns: Pictures in the figures.
        moments: Pictures in the report's strip.
    """

    def __init__(self, columns: int = 10, moments: int = 48) -> None:
        self.columns, self.moments = columns, moments

    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the last comparison on the held-out pictures of `views`."""
        result = matching.result
        values_a = matching.probed_a(pair, views.held_out_a).values
        values_b = matching.probed_b(pair, views.held_out_b).values
        predicted_b = _mapped(result.transformation, values_a)
        predicted_a = _mapped(result.transformation.inverse, values_b)
        reconstructed_b = pair.network_b.decode(pair.network_b.encode(views.held_out_b))
        reconstructed_a = pair.network_a.decode(pair.network_a.encode(views.held_out_a))
        metrics = {
            "true_error_a_to_b": relative_error(predicted_b, values_b),
            "true_error_b_to_a": relative_error(predicted_a, values_a),
            "autoencoder_a_psnr": psnr(reconstructed_a, views.held_out_a),
            "autoencoder_b_psnr": psnr(reconstructed_b, views.held_out_b),
        }
        finding = Finding(metrics, self._general_figures(matching, views))

        if predicted_b is not None and result.chart_b is not None:
            pictures = pair.network_b.decode(predicted_b)
            metrics["cross_view_psnr"] = psnr(pictures, views.held_out_b)
            self._angles(finding, matching, views, predicted_b, values_a, values_b, pictures)

        return finding

    def _angles(
        self,
        finding: Finding,
        matching: Matched,
        views: Views,
        predicted_b: Tensor,
        values_a: Tensor,
        values_b: Tensor,
        pictures: Tensor,
    ) -> None:
        r"""The errors of the recovered angle and the figures that show them."""
        chart = matching.result.chart_b
        periods = chart.periods
        recovered, true = chart.restrict(predicted_b), chart.restrict(values_b)
        errors = wrap(recovered - true, periods)[:, 0]
        degrees = errors.abs().rad2deg()
        finding.metrics["angle_error_deg"] = float(degrees.median())
        finding.metrics["angle_error_deg_p95"] = float(degrees.quantile(0.95))
        anchors = views.anchors
        hidden = views.hidden.held_out
        columns = _evenly(hidden, self.columns)
        rows = [views.held_out_a, pictures, views.held_out_b]
        finding.figures["cross_view"] = plot.cross_view(*(row[columns] for row in rows), hidden[columns])
        moments = _evenly(hidden, self.moments)
        finding.strips.append(
            PictureStrip(
                "Camera B predicted from camera A",
                ["Camera A", "Camera B, predicted from A's activations alone", "Camera B, the truth"],
                [row[moments] for row in rows],
                hidden[moments],
                "Held-out angles that neither network nor the matching ever saw.",
            )
        )

        if len(periods) != 1 or len(anchors) < 2:
            return

        observed_a, observed_b = matching.observations
        baseline = euclidean_angle_errors(
            (observed_a.values, observed_b.values), (values_a, values_b), anchors
        )
        finding.metrics["angle_error_deg_euclidean"] = math.degrees(baseline[1]) if baseline else math.nan

        if baseline is None:
            return

        turn = 2 * math.pi / periods.norm()
        known = chart.restrict(observed_b.values[anchors[:, 1]])[:, 0] * turn
        to_hidden = AngleMap.through(known.double(), views.hidden.probe_b[anchors[:, 1]])
        shown = (hidden, to_hidden(recovered[:, 0].double() * turn), errors, baseline[0])
        finding.figures["angles"] = plot.angle_scatter(*shown)
        finding.figures["horse"] = plot.horse_figure(
            *(row[columns] for row in rows), hidden[columns], *shown, *_eigenvalues(matching)
        )

    def _general_figures(self, matching: Matched, views: Views) -> dict[str, Any]:
        r"""The figures that every comparison has."""
        result = matching.result
        periods = {
            f"periods_{name}": None if chart is None else chart.periods
            for name, chart in (("a", result.chart_a), ("b", result.chart_b))
        }
        coordinates = result.coordinates_a, result.coordinates_b

        return {
            "charts": plot.charts(*coordinates, views.hidden.probe_a, views.hidden.probe_b, **periods),
            "registration": plot.registration(*coordinates, views.anchors, **periods),
            "spectrum": plot.spectrum(*_eigenvalues(matching), (1, 1, 4, 4, 9, 9)),
        }


def _eigenvalues(matching: Matched) -> list[Tensor]:
    r"""Those of minus the Laplacian of both sides, from diffusion maps in the metric of the inputs."""
    return [equiv.DiffusionMaps(n_coordinates=6).fit(each).eigenvalues_[1:] for each in matching.observations]


def _evenly(angles: Tensor, count: int) -> Tensor:
    r"""Indices of so many of the angles, ascending and evenly spread in rank."""
    order = angles.argsort()

    return order[torch.linspace(0, len(order) - 1, min(count, len(order))).round().long()]


@torch.no_grad()
def _mapped(transformation: nn.Module, values: Tensor) -> Tensor | None:
    r"""T of the values; None in a direction in which there is no map."""
    try:
        return transformation(values)
    except ValueError:
        return None


def relative_error(predicted: Tensor | None, true: Tensor) -> float:
    r"""RMS error over the RMS spread of the target; NaN without a prediction."""
    if predicted is None:
        return math.nan

    error = (predicted - true).double().square().sum(dim=1).mean()
    spread = (true - true.mean(dim=0)).double().square().sum(dim=1).mean()

    return (error / spread).sqrt().item()


def psnr(predicted: Tensor, true: Tensor) -> float:
    r"""Peak signal-to-noise ratio of pictures in [0, 1] in dB, from the mean squared error over them all."""
    return -10 * math.log10((predicted - true).double().square().mean().item())

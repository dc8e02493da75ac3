r"""What only the hidden yaw and gait can tell: how good the transformation between two cameras really is."""

import math

import torch
from torch import Tensor

from equiv.charts.chart import Chart
from equiv.report.sections import PictureStrip
from lightning_modules.circle import evenly, wrapped
from lightning_modules.data.checks import check_counts
from lightning_modules.data.views import Views
from lightning_modules.evaluations.finding import (
    PICTURES,
    TRUE_ERRORS,
    Finding,
    Matched,
    charts,
    fresh,
    mapped,
    periods,
    picture_quality,
    psnr,
    true_errors,
)
from lightning_modules.figures import cameras, film
from lightning_modules.match import Match
from lightning_modules.pair import NetworkPair
from lightning_modules.torus import TorusMap, euclidean_torus_errors

__all__ = ["TorusView"]

CAPTIONS = {
    "film": "The horse turns once and strides on: camera A, camera B predicted from A's activations, camera B",
    "torus": "Camera B predicted from A's activations; recovered and true yaw and phase of the gait",
    "cross_view": "What camera A sees, what is predicted for camera B, what camera B sees",
    "charts": "The intrinsic coordinates of both sides, coloured by the hidden yaw",
}
#: The yaw and the phase of the gait in the metrics.
ANGLES = ("angle", "gait")


class TorusView:
    r"""Camera B's pictures from A's activations, and the yaw and the gait that the transformation recovers.

    All errors are on the held-out pictures, which both cameras took at the same fresh states and which
    neither training nor matching ever saw. They, and the hidden states, are read here alone.

    Arguments:
        phases: Of the data set, likewise `yaws`: a radian of the gait is as long as `phases` / `yaws` of the yaw.
        yaws: Of the data set.
        columns: Pictures in the figure.
        frames: Of the film.
        strides: How many the horse makes in the film while it turns once.
    """

    measures = (
        *TRUE_ERRORS,
        *(f"{name}_error_deg{kind}" for name in ("angle", "gait") for kind in ("", "_p95", "_euclidean")),
        *PICTURES,
    )

    def __init__(self, phases: int, yaws: int, columns: int = 10, frames: int = 60, strides: int = 5) -> None:
        check_counts(("columns", columns, 1), ("frames", frames, 1), ("strides", strides, 1))
        self.lengths = torch.tensor([1.0, phases / yaws], dtype=torch.float64)
        self.columns, self.frames, self.strides = columns, frames, strides

    @torch.no_grad()
    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the last comparison on the held-out pictures of `views`."""
        pair.eval()
        match, result = matching.last, matching.last.result
        values_a, values_b = fresh(pair, views, match)
        predicted_b = mapped(result.transformation, values_a)
        unknown = {
            f"{name}_error_deg{kind}": math.nan for name in ANGLES for kind in ("", "_p95", "_euclidean")
        }
        finding = Finding(
            {
                **true_errors(match, values_a, values_b),
                **unknown,
                **picture_quality(pair, views),
            },
            charts(match, views, turn=2 * math.pi, **periods(match)),
            CAPTIONS,
        )

        if predicted_b is None or not isinstance(result.chart_b, Chart):
            return finding

        decoder = pair.network_b.get_submodule("decoder")
        pictures = decoder(predicted_b)
        finding.metrics["cross_view_psnr"] = psnr(pictures, views.held_out_b)
        columns = evenly(views.hidden.held_out[:, 0], self.columns)
        shown_a, shown, shown_b = (row[columns] for row in (views.held_out_a, pictures, views.held_out_b))
        yaws = views.hidden.held_out[columns, 0]
        finding.figures["cross_view"] = cameras.cross_view_figure(shown_a, shown, shown_b, yaws)
        turning = self._turning(pair, views, match, result.chart_b)
        finding.strips.append(turning)
        finding.films["film"] = film.camera_film(*turning.rows)
        there = _angles(result.chart_b, match, views, self.lengths)

        if there is None:
            return finding

        recovered = there(result.chart_b.restrict(predicted_b).double())
        errors = wrapped(recovered - there(result.chart_b.restrict(values_b).double()))
        rows = views.anchors
        baseline = euclidean_torus_errors(
            [each.values for each in match.observations],
            (values_a, values_b),
            rows,
            views.hidden.probe_b[rows[:, 1]],
            views.hidden.held_out,
        )

        if baseline is None:
            return finding

        for axis, name in enumerate(ANGLES):
            for kind, each in {"": errors, "_euclidean": baseline}.items():
                size = each[:, axis].abs().rad2deg()
                finding.metrics[f"{name}_error_deg{kind}"] = float(size.median())

            finding.metrics[f"{name}_error_deg_p95"] = float(errors[:, axis].abs().quantile(0.95).rad2deg())

        finding.figures["torus"] = cameras.gait_figure(
            shown_a, shown, shown_b, yaws, views.hidden.held_out, recovered, errors, baseline
        )

        return finding

    def _turning(self, pair: NetworkPair, views: Views, match: Match, chart: Chart) -> PictureStrip:
        r"""A turn in even steps, the horse striding on, as no picture of training or matching shows it."""
        assert views.inputs_at is not None
        turn = 2 * math.pi * torch.arange(self.frames, dtype=torch.float64) / self.frames
        seen_a, seen_b = views.inputs_at(torch.stack([turn, self.strides * turn % (2 * math.pi)], dim=1))
        predicted = match.result.transformation(match.probed_a(pair, seen_a).values)

        return PictureStrip(
            "What A sees, what is predicted for B, what B sees",
            ["Camera A", "Camera B, predicted from A's activations alone", "Camera B, the truth"],
            [seen_a, pair.network_b.get_submodule("decoder")(predicted), seen_b],
            turn,
            f"The horse turns once and strides {self.strides} times, which neither training nor matching ever saw.",
            (chart.restrict(predicted), chart.restrict(match.probed_b(pair, seen_b).values)),
        )


def _angles(chart: Chart, match: Match, views: Views, lengths: Tensor) -> TorusMap | None:
    r"""B's chart as yaw and gait, by the anchors alone; None where they do not fix them."""
    lattice = chart.get_buffer("periods").double().cpu()

    if len(lattice) != 2 or len(views.anchors) < 2:
        return None

    rows = views.anchors[:, 1]
    known = chart.restrict(match.observations[1].values[rows]).double()

    return TorusMap.through(known, views.hidden.probe_b[rows], lattice, lengths)

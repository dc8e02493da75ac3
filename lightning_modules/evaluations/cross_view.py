r"""What only the hidden angles can tell: how good the transformation between two cameras really is."""

import math
from typing import Any

import torch
from torch import Tensor

import equiv
from equiv.charts.chart import Chart
from equiv.coordinates.lattice import minimum_image
from equiv.figures.charts import registration_figure, spectrum_figure
from equiv.report.sections import PictureStrip
from lightning_modules.circle import AngleMap, euclidean_angle_errors, evenly
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

__all__ = ["CrossView"]

#: Eigenvalues of minus the Laplacian of the circle of hidden angles.
EXACT = (1, 1, 4, 4, 9, 9)

CAPTIONS = {
    "horse": "The finding in one figure",
    "film": "The horse turns: camera A, camera B predicted from A's activations, camera B",
    "cross_view": "What camera A sees, what is predicted for camera B, what camera B sees",
    "angles": "Recovered against true angle, and the errors with and without the metric",
    "charts": "The intrinsic coordinates of both sides, coloured by the hidden angle",
    "registration": "Both charts laid over each other, and the anchors",
    "spectrum": "Eigenvalues of minus the Laplacian of both input spaces, and the exact ones",
}


#: Its own numbers.
CIRCLE = (*TRUE_ERRORS, "angle_error_deg", "angle_error_deg_p95", "angle_error_deg_euclidean")


class CrossView:
    r"""Camera B's pictures from A's activations, and the angle that the transformation recovers.

    All errors are on the held-out pictures, which both cameras took at the same fresh angles and which
    neither training nor matching ever saw. They, and the hidden angles, are read here alone.

    Arguments:
        columns: Pictures in the figures.
        moments: Pictures in the report's strip and in the film.
    """

    measures = (*CIRCLE, *PICTURES)

    def __init__(self, columns: int = 10, moments: int = 48) -> None:
        check_counts(("columns", columns, 1), ("moments", moments, 1))
        self.columns, self.moments = columns, moments

    @torch.no_grad()
    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the last comparison on the held-out pictures of `views`."""
        pair.eval()
        match, result = matching.last, matching.last.result
        values_a, values_b = fresh(pair, views, match)
        predicted_b = mapped(result.transformation, values_a)
        finding = Finding(
            {
                **true_errors(match, values_a, values_b),
                "angle_error_deg": math.nan,
                "angle_error_deg_p95": math.nan,
                "angle_error_deg_euclidean": math.nan,
                **picture_quality(pair, views),
            },
            _charts(match, views),
            CAPTIONS,
        )
        spectra = [result.diagnostics.get(f"eigenvalues_{side}") for side in "ab"]

        if all(spectra):
            finding.figures["spectrum"] = spectrum_figure(spectra[0], spectra[1], EXACT)

        if predicted_b is None or not isinstance(result.chart_b, Chart):
            return finding

        pictures = pair.network_b.get_submodule("decoder")(predicted_b)
        finding.metrics["cross_view_psnr"] = psnr(pictures, views.held_out_b)
        hidden, rows = views.hidden.held_out, (views.held_out_a, pictures, views.held_out_b)
        moments = evenly(hidden, self.moments)
        recovered, own = result.chart_b.restrict(predicted_b), result.chart_b.restrict(values_b)
        finding.strips.append(_strip(rows, hidden, moments, (recovered, own)))
        finding.films["film"] = film.camera_film(rows[0][moments], pictures[moments], rows[2][moments])
        columns = evenly(hidden, self.columns)
        shown_a, shown, shown_b = (row[columns] for row in rows)
        finding.figures["cross_view"] = cameras.cross_view_figure(shown_a, shown, shown_b, hidden[columns])
        errors = minimum_image(recovered - own, result.chart_b.get_buffer("periods"))[:, 0]
        finding.metrics["angle_error_deg"] = float(errors.abs().median().rad2deg())
        finding.metrics["angle_error_deg_p95"] = float(errors.abs().quantile(0.95).rad2deg())
        baseline = euclidean_angle_errors(
            [each.values for each in match.observations], (values_a, values_b), views.anchors
        )

        if baseline is None:
            return finding

        finding.metrics["angle_error_deg_euclidean"] = math.degrees(baseline[1])
        angles = _hidden_angles(result.chart_b, recovered, match.observations[1], views)

        if angles is not None:
            finding.figures["angles"] = cameras.angle_scatter(hidden, angles, errors, baseline[0])

            if all(spectra):
                finding.figures["horse"] = cameras.horse_figure(
                    shown_a,
                    shown,
                    shown_b,
                    hidden[columns],
                    hidden,
                    angles,
                    errors,
                    baseline[0],
                    spectra[0],
                    spectra[1],
                    EXACT,
                )

        return finding


def _charts(match: Match, views: Views) -> dict[str, Any]:
    r"""The figures of both charts, coloured by the hidden angle; none where a chart failed."""
    around, result = periods(match), match.result
    found = charts(match, views, turn=2 * math.pi, **around)

    if found:
        found["registration"] = registration_figure(
            result.coordinates_a, result.coordinates_b, views.anchors, **around
        )

    return found


def _strip(
    rows: tuple[Tensor, Tensor, Tensor], hidden: Tensor, moments: Tensor, places: tuple[Tensor, Tensor]
) -> PictureStrip:
    return PictureStrip(
        "What A sees, what is predicted for B, what B sees",
        ["Camera A", "Camera B, predicted from A's activations alone", "Camera B, the truth"],
        [row[moments] for row in rows],
        hidden[moments],
        "Angles that neither training nor matching ever saw.",
        (places[0][moments], places[1][moments]),
    )


def _hidden_angles(
    chart: Chart, recovered: Tensor, observations_b: equiv.Observations, views: Views
) -> Tensor | None:
    r"""Coordinates of B's chart as hidden angles, by the anchors alone; None where they do not fix them."""
    if len(chart.get_buffer("periods")) != 1 or len(views.anchors) < 2:
        return None

    rows = views.anchors[:, 1]
    turn = 2 * math.pi / chart.get_buffer("periods").double().norm()
    known = chart.restrict(observations_b.values[rows])[:, 0].double() * turn

    return AngleMap.through(known, views.hidden.probe_b[rows])(recovered[:, 0].double() * turn)

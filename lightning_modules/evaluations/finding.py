r"""What an evaluation is given and what it returns, and the errors that every one of them measures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from equiv.charts.chart import Chart
from equiv.figures.charts import charts_figure
from equiv.report.sections import HeldOut, PictureStrip
from lightning_modules.data.views import Views
from lightning_modules.match import Match
from lightning_modules.matcher import Matcher

__all__ = [
    "PICTURES",
    "TRUE_ERRORS",
    "Finding",
    "Matched",
    "charts",
    "fresh",
    "mapped",
    "periods",
    "picture_quality",
    "placed",
    "point_errors",
    "psnr",
    "relative_error",
    "true_errors",
]


#: Names of the numbers of `true_errors`, and of `picture_quality`.
TRUE_ERRORS = ("true_error_a_to_b", "true_error_b_to_a")
PICTURES = ("cross_view_psnr", "autoencoder_a_psnr", "autoencoder_b_psnr")


class Matched(Protocol):
    r"""What the matching leaves: every comparison by epochs trained, and the means to make others."""

    @property
    def matches(self) -> Mapping[int, Match]: ...

    @property
    def last(self) -> Match: ...

    @property
    def matcher(self) -> Matcher: ...


@dataclass
class Finding:
    r"""An experiment's own numbers, and its figures.

    Attributes:
        metrics: Named numbers; NaN where there is nothing to measure.
        figures: Figures of matplotlib, by file name.
        captions: What each of them shows, in a few words.
        strips: Pictures for the report.
        films: Animated GIFs, by file name.
        anchors: Rows of both sides that were known to show the same states, shape `(k, 2)`; None where none were.
        held_out: Errors at states that the comparison never saw, for the report to map; None where there are none.
    """

    metrics: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)
    strips: list[PictureStrip] = field(default_factory=list)
    films: dict[str, bytes] = field(default_factory=dict)
    anchors: Tensor | None = None
    held_out: HeldOut | None = None

    def beside(self, other: "Finding") -> "Finding":
        r"""The same with the numbers and figures of another."""
        figures, captions = self.figures | other.figures, {**self.captions, **other.captions}

        return replace(self, metrics=self.metrics | other.metrics, figures=figures, captions=captions)


@torch.no_grad()
def placed(finding: Finding, pair: nn.Module, views: Views, match: Match, anchors: int) -> Finding:
    r"""The finding with what the report draws in charts: so many anchors, and the errors at held-out states."""
    found = replace(finding, anchors=views.anchors[:anchors])
    chart = match.result.chart_b

    if not isinstance(chart, Chart):
        return found

    values_a, values_b = fresh(pair, views, match)
    transformation = match.result.transformation
    errors = (
        point_errors(mapped(transformation, values_a), values_b),
        point_errors(mapped(transformation.inverse, values_b), values_a),
    )

    if errors[0] is None or errors[1] is None:
        return found

    return replace(found, held_out=HeldOut(chart.restrict(values_b), errors[0], errors[1]))


def charts(match: Match, views: Views, **drawn: Any) -> dict[str, Any]:
    r"""The figure of both charts, coloured by the first hidden variable; none where a chart failed.

    `drawn` are options of `equiv.figures.charts.charts_figure`.
    """
    result = match.result
    hidden_a, hidden_b = (
        each.reshape(len(each), -1)[:, 0] for each in (views.hidden.probe_a, views.hidden.probe_b)
    )

    if not (result.coordinates_a.shape[1] and result.coordinates_b.shape[1]):
        return {}

    return {"charts": charts_figure(result.coordinates_a, result.coordinates_b, hidden_a, hidden_b, **drawn)}


def periods(match: Match) -> dict[str, Any]:
    r"""The periods of both charts, as figures of them take these."""
    result = match.result

    return {
        f"periods_{s}": getattr(each, "periods", None)
        for s, each in zip("ab", (result.chart_a, result.chart_b), strict=True)
    }


def fresh(pair: nn.Module, views: Views, match: Match) -> tuple[Tensor, Tensor]:
    r"""A's and B's activations at the held-out states, observed as they were for this comparison."""
    return match.probed_a(pair, views.held_out_a).values, match.probed_b(pair, views.held_out_b).values


def true_errors(match: Match, values_a: Tensor, values_b: Tensor) -> dict[str, float]:
    r"""Errors of T and of its inverse at fresh states, where both sides' activations are known."""
    transformation = match.result.transformation

    return {
        "true_error_a_to_b": relative_error(mapped(transformation, values_a), values_b),
        "true_error_b_to_a": relative_error(mapped(transformation.inverse, values_b), values_a),
    }


@torch.no_grad()
def mapped(transformation: nn.Module, values: Tensor) -> Tensor | None:
    r"""T of the values; None in a direction in which there is no map."""
    try:
        return transformation(values)
    except ValueError:
        return None


def point_errors(predicted: Tensor | None, true: Tensor) -> Tensor | None:
    r"""Size of the error at each sample over the RMS spread of the target, shape `(q,)`."""
    if predicted is None:
        return None

    spread = (true - true.mean(dim=0)).double().square().sum(dim=1).mean().sqrt()

    return (predicted - true).double().norm(dim=1) / spread


def relative_error(predicted: Tensor | None, true: Tensor) -> float:
    r"""RMS error over the RMS spread of the target; NaN without a prediction."""
    errors = point_errors(predicted, true)

    return math.nan if errors is None else errors.square().mean().sqrt().item()


def picture_quality(pair: nn.Module, views: Views) -> dict[str, float]:
    r"""How well the held-out pictures are drawn: by the transformation (NaN: not known yet), by each autoencoder."""
    own = {
        f"autoencoder_{side}_psnr": psnr(pair.get_submodule(f"network_{side}")(pictures), pictures)
        for side, pictures in zip("ab", (views.held_out_a, views.held_out_b), strict=True)
    }

    return {"cross_view_psnr": math.nan, **own}


def psnr(predicted: Tensor, true: Tensor) -> float:
    r"""Peak signal-to-noise ratio of pictures in [0, 1] in dB, from the mean squared error over them all."""
    return -10 * math.log10((predicted - true).double().square().mean().item())

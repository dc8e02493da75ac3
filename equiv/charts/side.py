r"""One side of an unpaired comparison: its samples with a flat chart, and how accurate the chart is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from equiv.charts.chart import Chart
from equiv.charts.diagnosis import Diagnosis, objections, roughness
from equiv.charts.isometric import IsometricMaps
from equiv.charts.limits import Limits
from equiv.charts.strain import Strain, measure_strain
from equiv.coordinates.domain import Domain
from equiv.observe.observations import Observations
from equiv.spectral.spectrum import lowest_eigenvalues

__all__ = ["ChartedSide", "chart_side"]


@dataclass(frozen=True)
class ChartedSide:
    r"""One network's samples with their chart.

    Attributes:
        observations: The samples, with frames.
        eigenvalues: Lowest ones of minus the Laplacian, by `equiv.spectral.spectrum`; None where there are none.
        objections: Sentences, without full stop: why the chart is not to be trusted; empty when it is.
        diagnosis: What the chart misses; None where none could be fitted.
        domain: The samples' coordinates; None where there are none, or none that are finite.
        chart: The chart, likewise.
        strain: How far the chart is from isometric, likewise.
    """

    observations: Observations
    eigenvalues: list[float] | None
    objections: tuple[str, ...]
    diagnosis: Diagnosis | None = None
    domain: Domain | None = None
    chart: Chart | None = None
    strain: Strain | None = None

    @property
    def columns(self) -> int:
        r"""Number of input directions that the frames speak of."""
        assert self.observations.frames is not None

        return self.observations.frames.shape[2]

    @property
    def kinked(self) -> bool:
        r"""Whether frames jump between neighbours."""
        return self.diagnosis is not None and self.diagnosis.kinks is not None

    @property
    def roughness(self) -> float:
        r"""The largest of what the chart misses, as a share; infinite where it may be folded or there is none."""
        return math.inf if self.diagnosis is None or self.domain is None else roughness(self.diagnosis)

    @property
    def spread(self) -> float:
        r"""RMS distance of the activations from their mean."""
        values = self.observations.values.double()

        return (values - values.mean(dim=0)).square().sum(dim=1).mean().sqrt().item()

    @property
    def stretch(self) -> float:
        r"""RMS length in the activations of a unit vector of the coordinates; NaN without a chart."""
        if self.chart is None or self.domain is None:
            return math.nan

        frames = self.chart.frames(self.domain.coordinates.to(self.observations.device))

        return (frames.square().sum(dim=(1, 2)).mean() / frames.shape[2]).sqrt().item()

    @property
    def error(self) -> float:
        r"""RMS error of the chart, estimated, in activation units; NaN without a chart."""
        if self.strain is None:
            return math.nan

        return math.hypot(self.strain.displacement, self.strain.noise, self.misfit)

    @property
    def misfit(self) -> float:
        r"""RMS of what the lift misses of the values, in activation units; NaN without a chart."""
        return math.nan if self.diagnosis is None else self.diagnosis.fit_error * self.spread


def chart_side(obs: Observations, tolerance: float = 0.0) -> ChartedSide:
    r"""Fits the isometric coordinates of one side; a failure is a side without a chart and a sentence.

    Arguments:
        obs: The samples, with frames.
        tolerance: Of the comparison, a share of the spread. A chart that misses no more may serve: its error is
            reckoned with in the error of the transformation.
    """
    eigenvalues = lowest_eigenvalues(obs)

    try:
        maps = IsometricMaps().fit(obs)
    except (ValueError, torch.linalg.LinAlgError) as failure:
        return ChartedSide(obs, eigenvalues, (str(failure).rstrip("."),))

    diagnosis = maps.diagnosis_
    coordinates = maps.coordinates_.detach().double().cpu()
    periods = None if maps.periods_ is None else maps.periods_.detach().double().cpu()

    if not coordinates.isfinite().all():
        return ChartedSide(obs, eigenvalues, ("its coordinates are not finite",), diagnosis)

    strain = measure_strain(maps.chart_, obs, coordinates, periods)
    reasons = tuple(each.rstrip(".") for each in objections(diagnosis, Limits().at_least(tolerance)))
    domain = Domain(coordinates, periods)
    side = ChartedSide(obs, eigenvalues, reasons, diagnosis, domain, maps.chart_, strain)

    return replace(side, domain=replace(domain, accuracy=side.error / side.stretch))

r"""One side of an unpaired comparison: its samples with a flat chart, and how accurate the chart is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from equiv.charts.chart import Chart
from equiv.charts.diagnosis import TORN, Limits, contradicting, objections
from equiv.charts.isometric import IsometricMaps
from equiv.charts.strain import Strain, measure_strain
from equiv.coordinates.domain import Domain
from equiv.flattening.curve_ends import NEAR_ENDS
from equiv.observe.observations import Observations
from equiv.spectral.spectrum import lowest_eigenvalues

__all__ = ["Side", "chart_side"]


# One in so many pairs of neighbours may contradict the coordinates, where frames jump or not, or each other's
# orientation: with more these may be folded.
FOLDED = {False: 300, True: TORN}
MIRRORED = 2000


@dataclass(frozen=True)
class Side:
    r"""One network's samples with their chart.

    Attributes:
        observations: The samples, with frames.
        domain: Their coordinates; None where no chart could be fitted.
        chart: The chart, likewise.
        strain: How far the chart is from isometric, likewise.
        objections: Sentences, without full stop: why the chart is not to be trusted; empty when it is.
        roughness: The largest of what the chart misses: of its pairs of neighbours, of the smooth fit, and of its
            last correction, as shares; infinite where it may be folded or there is none.
        numbers: Diagnostics by name, without the side's letter.
    """

    observations: Observations
    domain: Domain | None = None
    chart: Chart | None = None
    strain: Strain | None = None
    objections: list[str] = field(default_factory=list)
    roughness: float = math.inf
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> int:
        r"""Number of input directions that the frames speak of."""
        assert self.observations.frames is not None

        return self.observations.frames.shape[2]

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

        return math.hypot(self.strain.displacement, self.strain.noise, self.strain.misfit)


def chart_side(obs: Observations, tolerance: float = 0.0) -> Side:
    r"""Fits the isometric coordinates of one side; a failure is a side without a chart and a sentence.

    Arguments:
        obs: The samples, with frames.
        tolerance: Of the comparison, a share of the spread. A chart that misses no more may serve: its error is
            reckoned with in the error of the transformation.
    """
    evidence: dict[str, Any] = {
        "eigenvalues": lowest_eigenvalues(obs),
        "samples": len(obs),
        "neurons": obs.values.shape[1],
    }

    if obs.rank is not None:
        usual = int(obs.rank.mode().values)
        evidence |= {"rank": usual, "rank_share": (obs.rank == usual).double().mean().item()}

    try:
        maps = IsometricMaps().fit(obs)
    except (ValueError, torch.linalg.LinAlgError) as failure:
        return Side(obs, objections=[str(failure).rstrip(".")], numbers={"embedding": False} | evidence)

    coordinates = maps.coordinates_.detach().double().cpu()
    periods = None if maps.periods_ is None else maps.periods_.detach().double().cpu()
    limits = Limits().at_least(tolerance)
    reasons = [each.rstrip(".") for each in objections(maps.diagnostics_, limits)]
    numbers: dict[str, Any] = {
        "intrinsic_dimension": coordinates.shape[1],
        "embedding": not reasons,
        "kinked": maps.diagnostics_["kinks"] is not None,
    }

    if not coordinates.isfinite().all():
        return Side(obs, objections=["its coordinates are not finite"], numbers=numbers | evidence)

    if periods is not None:
        numbers["periods"] = periods.norm(dim=1).tolist()

    strain = measure_strain(maps.chart_, obs, coordinates, periods)
    if maps.diagnostics_["kinks"] is not None:
        # Fits of kinks miss more between the samples than at them, and their slopes scatter.
        missed = maps.diagnostics_["fit_error"] * Side(obs).spread
        strain = replace(strain, misfit=max(strain.misfit, missed))
    numbers |= {"strain": strain.size, "residual": float(maps.residual_)} | evidence
    rough = _roughness(maps.diagnostics_)
    side = Side(obs, Domain(coordinates, periods), maps.chart_, strain, reasons, rough, numbers)

    return replace(side, domain=Domain(coordinates, periods, side.error / side.stretch))


def _roughness(found: Mapping[str, Any]) -> float:
    kinked = found["kinks"] is not None

    # Neighbours that see each other mirrored are on different sheets, which false ones are only by chance. A curve
    # whose ends may be none may be closed.
    if (
        found["crossings"] > 0
        or found["nearest_ends"] <= NEAR_ENDS
        or contradicting(found, FOLDED[kinked])
        or (not kinked and found["frustrated_pairs"] > found["pairs"] / MIRRORED)
    ):
        return math.inf

    if found["dimension"] == 1:
        return float(found["fit_error"])

    if kinked:
        return float(max(found["fit_error"], found["refinement"]))

    return float(max(found["residual"], found["fit_error"], found["refinement"]))

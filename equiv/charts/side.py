r"""One side of an unpaired comparison: its samples with a flat chart, and how accurate the chart is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.charts.chart import Chart
from equiv.charts.diagnosis import Diagnosis, objections, roughness
from equiv.charts.isometric import IsometricMaps
from equiv.charts.limits import Limits
from equiv.charts.strain import Strain, measure_strain
from equiv.coordinates.domain import Domain
from equiv.observe.observations import Observations
from equiv.spectral.spectrum import lowest_eigenvalues

__all__ = ["ChartedSide", "chart_side"]


# No more of the inputs are left out.
# [share of the inputs; derived: a verdict that speaks of less is inconclusive, as with sets that hardly overlap]
LARGEST_SHARE = 0.1

# Charts of what is left, each of what the one before places.
# [charts; chosen: the first are bent by what they should leave out, further ones leave out next to nothing]
ROUNDS = 3


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
        kept: Rows of the samples among those that were given, ascending, `(k,)`; None where none was left out.
        nearest: For each that was given its place among these, of those left out that of the nearest values, `(n,)`.
        left_out: Share of the given inputs that was left out.
        unplaced: Share of them that the network does not place, whether these were left out or not.
    """

    observations: Observations
    eigenvalues: list[float] | None
    objections: tuple[str, ...]
    diagnosis: Diagnosis | None = None
    domain: Domain | None = None
    chart: Chart | None = None
    strain: Strain | None = None
    kept: Tensor | None = None
    nearest: Tensor | None = None
    left_out: float = 0.0
    unplaced: float = 0.0

    @property
    def columns(self) -> int:
        r"""Number of input directions that the frames speak of."""
        assert self.observations.frames is not None

        return self.observations.frames.shape[2]

    @property
    def coordinates(self) -> Tensor | None:
        r"""Coordinates of all given samples, `(n, m)`: of those left out, of the kept one of the nearest values."""
        if self.domain is None or self.nearest is None:
            return None if self.domain is None else self.domain.coordinates

        return self.domain.coordinates[self.nearest]

    @property
    def missing(self) -> list[int]:
        r"""Rows that were given and left out."""
        if self.kept is None or self.nearest is None:
            return []

        out = torch.ones(len(self.nearest), dtype=torch.bool)
        out[self.kept] = False

        return out.nonzero()[:, 0].tolist()

    def place(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        r"""Places of given rows `(k,)` among the samples that were kept, and whether these are there, `(k,)`."""
        if self.kept is None:
            return rows, torch.ones_like(rows, dtype=torch.bool)

        places = torch.searchsorted(self.kept, rows.contiguous()).clamp_max(len(self.kept) - 1)

        return places, self.kept[places] == rows

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


def chart_side(obs: Observations, tolerance: float = 0.0, counts: Tensor | None = None) -> ChartedSide:
    r"""Fits the isometric coordinates of one side; a failure is a side without a chart and a sentence.

    Samples that their own network does not place within the tolerance, as where its frames are nearly singular, or
    samples are too few for what bends, are left out, where these are few and the rest hangs together.

    Arguments:
        obs: The samples, with frames.
        tolerance: Of the comparison, a share of the spread. A chart that misses no more may serve: its error is
            reckoned with in the error of the transformation.
        counts: How often each sample occurs, `(n,)`; None: once.
    """
    from scipy.spatial import KDTree

    weights = torch.ones(len(obs)) if counts is None else counts.cpu().double()
    found, placed = _charted(obs, tolerance, weights)
    kept = torch.arange(len(obs))

    for _ in range(ROUNDS):
        kept = kept[placed <= tolerance]
        left_out = 1 - (weights[kept].sum() / weights.sum()).item()
        found = replace(found, unplaced=left_out)

        if len(kept) == len(placed) or left_out > LARGEST_SHARE:
            break

        side, placed = _charted(obs.subset(kept.to(obs.device)), tolerance, weights[kept])
        # What falls apart without them, or has objections of its own, is not improved.
        if not side.objections:
            found = replace(side, kept=kept, left_out=left_out, unplaced=left_out)

    if found.kept is not None:
        values = obs.values.double().cpu().numpy()
        nearest = torch.from_numpy(KDTree(values[found.kept]).query(values)[1])
        nearest[found.kept] = torch.arange(len(found.kept))  # also where two places have one value
        found = replace(found, nearest=nearest)

    return replace(found, eigenvalues=lowest_eigenvalues(found.observations))


def _charted(obs: Observations, tolerance: float, weights: Tensor) -> tuple[ChartedSide, Tensor]:
    r"""The side of all of some samples, that occur so often, `(n,)`, and how well each is placed, `(n,)`."""
    try:
        maps = IsometricMaps().fit(obs)
    except (ValueError, torch.linalg.LinAlgError) as failure:
        rank = obs.rank
        assert rank is not None

        # Where no chart says more, frames do: those that see fewer directions than most place nothing.
        return ChartedSide(obs, None, (str(failure).rstrip("."),)), (rank < rank.mode().values).double().cpu()

    diagnosis = maps.diagnosis_
    coordinates = maps.coordinates_.detach().double().cpu()
    periods = None if maps.periods_ is None else maps.periods_.detach().double().cpu()

    if not coordinates.isfinite().all():
        reason = "its coordinates are not finite"

        return ChartedSide(obs, None, (reason,), diagnosis), torch.zeros(len(obs))

    strain = measure_strain(maps.chart_, obs, coordinates, periods)
    reasons = tuple(each.rstrip(".") for each in objections(diagnosis, Limits().at_least(tolerance)))
    domain = Domain(coordinates, periods)
    side = ChartedSide(obs, None, reasons, diagnosis, domain, maps.chart_, strain)

    own, around = maps.placement_.unbind(dim=1)
    # A single sample that is lost is no part of the inputs; one that stands for several is.
    placed = torch.where(weights > 1, own.maximum(around), around)

    return replace(side, domain=replace(domain, accuracy=side.error / side.stretch)), placed

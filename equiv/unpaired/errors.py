r"""The error of an unpaired transformation on fresh inputs, estimated from what is left, with its bounds.

Three things show it: the strains of the two charts (`equiv.charts.strain`), the anchors left out in turn, and, where
outlines had to stand in for anchors, how loosely these fix the motion. `benchmarks/transformation.py` holds the
estimates against true errors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiv.charts.side import ChartedSide
from equiv.charts.strain import rigid_motions
from equiv.coordinates.lattice import minimum_image
from equiv.registration.result import Registration
from equiv.transformation import Transformation
from equiv.verdict import Interval

__all__ = ["estimate_error"]


# By kind of frames: RMS error of T over the root of the sum of squares of both charts' estimated errors. Errors of
# smooth charts in gaps between samples are not seen, what fits of kinks miss is held out, noise averages as reckoned.
# [dimensionless; measured: benchmarks/transformation.py, on synthetic pairs]
ERROR_PER_CHARTS = {"exact": 1.5, "kinked": 0.65, "noisy": 1.2}

# By kind of frames: how many times smaller than that the error was at least.
# [dimensionless; measured: benchmarks/transformation.py, on synthetic pairs]
FACTOR_BELOW = {"exact": 2.5, "kinked": 2.5, "noisy": 1.8}

# Where a lift is kriged, how many times smaller: the lifts that strains are told by are rougher than the one in use.
# [dimensionless; measured: true errors are 0.1 to 0.3 of the estimated of benchmarks/potentials.py, 0.3 to 2 of
# synthetic pairs]
KRIGED_FACTOR_BELOW = 15.0

# By kind of frames: how many times larger than that the error was at most.
# [dimensionless; measured: benchmarks/transformation.py, on synthetic pairs]
FACTOR_ABOVE = {"exact": 3.0, "kinked": 3.0, "noisy": 3.5}

# By kind of frames: what the charts' estimate is worth beside anchors.
# [degrees of freedom; measured: benchmarks/transformation.py, on synthetic pairs]
FREEDOM_OF_CHARTS = {"exact": 4.0, "kinked": 8.0, "noisy": 3.0}

# Level of the bounds that these factors are for.
# [dimensionless; chosen: the usual one]
CALIBRATED_CONFIDENCE = 0.95

# Errors of neighbouring anchors are alike: the share of their degrees of freedom that counts.
# [dimensionless; chosen: two anchors count as one]
INDEPENDENT_SHARE = 0.5

# Errors below this are told from zero by no estimate: what is left of them is rounding and luck.
# [share of the target's spread; chosen: far above rounding in float64, far below every tolerance]
SMALLEST_ERROR = 1e-6

# How far the looseness of outlines may be underestimated.
# [dimensionless; chosen: bounds of pairs without anchors then hold in benchmarks/transformation.py]
LOOSENESS_MARGIN = 1.4

# How far what outlines leave of strains may be underestimated.
# [dimensionless; chosen: bounds of synthetic uniform supports then hold, 94 % of them where density ends linearly]
STRAIN_MARGIN = 1.1

# Affine maps by which the upper bound of the displacement is told.
# [draws; chosen: the bound is then known to three hundredths of itself]
DRAWS = 2000


def estimate_error(
    source: ChartedSide,
    target: ChartedSide,
    found: Registration,
    transformation: Transformation,
    anchors: Tensor | None,
    confidence: float,
) -> Interval:
    r"""RMS error of T over the spread of the target.

    .. math:: e^2 = \frac{\nu_0 e_0^2 + \nu s^2}{\nu_0 + \nu} + l^2

    with :math:`e_0` expected from the charts, s shown by anchors left out in turn with :math:`\nu` degrees of
    freedom, and l the looseness of the outlines. The bounds of the first part are factors about it, the nearer to 1
    the more anchors say so. The upper bound of the second is that of the length of a Gaussian vector with as many
    entries as the motion has parameters, its lower bound 0: what is left open excludes no map.

    Arguments:
        source: The side mapped from.
        target: The side mapped to.
        found: The registration.
        transformation: From source to target.
        anchors: Pairs of sample indices (source, target), shape `(k, 2)`, or None.
        confidence: Level of the bounds.
    """
    from scipy.special import erfinv, gammaincinv

    assert source.domain is not None
    charts = math.hypot(source.domain.accuracy * target.stretch, target.error)
    kind = _frames_kind(source, target)
    trust = FREEDOM_OF_CHARTS[kind]
    expected = ERROR_PER_CHARTS[kind] * charts / target.spread
    shown, freedom = _left_out(source, target, found, transformation, anchors)
    freedom *= INDEPENDENT_SHARE
    pooled = math.sqrt((trust * expected**2 + freedom * shown**2) / (trust + freedom))
    loose = _looseness(target, found)
    open_strain, farthest = _open_strain(source, target, found, confidence)
    estimate = math.hypot(pooled, max(loose, open_strain))
    fixed = 1 if found.alignment is None else len(found.alignment.covariance)
    # Of the ends of a curve there is little to underestimate, of corners that are projected there is.
    margin = LOOSENESS_MARGIN if fixed > 1 or found.slack > 0 else 1.0
    sharper = math.sqrt(trust / (trust + freedom)) * (erfinv(confidence) / erfinv(CALIBRATED_CONFIDENCE))
    wider = margin * math.sqrt(gammaincinv(fixed / 2, (1 + confidence) / 2) * 2 / fixed)
    most = pooled * FACTOR_ABOVE[kind] ** sharper
    gaps = [0.0 if side.strain is None else side.strain.gap * target.stretch for side in (source, target)]
    high = math.hypot(most, max(loose * wider, farthest), *(gap / target.spread for gap in gaps))
    # What outlines leave open may be no error at all: only what charts and anchors show is a lower bound.
    kriged = any(side.chart is not None and side.chart.kriged for side in (source, target))
    low = pooled / (KRIGED_FACTOR_BELOW if kriged else FACTOR_BELOW[kind]) ** sharper

    return Interval(estimate, 0.0 if estimate < SMALLEST_ERROR else min(low, estimate), max(high, estimate))


def _frames_kind(source: ChartedSide, target: ChartedSide) -> str:
    r"""The worse kind of frames of both sides, as the tables above name it."""
    sides = source, target

    if any(side.observations.burst_size is not None for side in sides):
        return "noisy"

    return "kinked" if any(side.kinked for side in sides) else "exact"


def _left_out(
    source: ChartedSide,
    target: ChartedSide,
    found: Registration,
    transformation: Transformation,
    anchors: Tensor | None,
) -> tuple[float, float]:
    r"""RMS error that the anchors left out in turn show, over the spread, and its degrees of freedom.

    k anchors that fit p parameters leave a share 1 - p / (k m) of their variance; leaving one out shows the
    reciprocal.
    """
    assert target.domain is not None

    if anchors is None or found.alignment is not None:
        return 0.0, 0.0

    values, goal = source.observations.values.double(), target.observations.values.double()
    kept = torch.ones(len(anchors), dtype=torch.bool)
    kept[list(found.rejected)] = False
    pairs = anchors[kept].to(values.device)
    k, m = len(pairs), target.domain.dimension
    assert source.domain is not None
    lost = source.domain.dimension - m
    turns = m * (m - 1) // 2 + lost * m if target.domain.periods is None else 0
    freedom = k * m - m - turns

    if freedom <= 0:
        return 0.0, 0.0

    square = (transformation(values[pairs[:, 0]]) - goal[pairs[:, 1]]).square().sum(dim=1).mean().item()

    return math.sqrt(square) * (k * m / freedom) / target.spread, float(freedom)


def _looseness(target: ChartedSide, found: Registration) -> float:
    r"""RMS error in the activations, over their spread, of a motion that outlines or support functions fixed."""
    if found.slack > 0:
        return found.slack * target.stretch / target.spread

    if found.alignment is None or target.domain is None or target.chart is None:
        return 0.0

    coordinates, alignment = target.domain.coordinates, found.alignment
    motions = rigid_motions(coordinates - alignment.middle, target.domain.periods)  # (n, m, r)
    moved = target.chart.frames(coordinates.to(target.observations.device)).cpu() @ motions  # (n, d, r)
    square = torch.einsum("ndr,rs,nds->n", moved, alignment.covariance, moved).mean().item()

    return math.sqrt(max(square, 0.0)) / target.spread


def _open_strain(
    source: ChartedSide, target: ChartedSide, found: Registration, confidence: float
) -> tuple[float, float]:
    r"""RMS error in the activations, over their spread, by strains that anchors leave open: estimate, upper bound.

    That of T against the affine map that outlines and anchors fit, whose parameters are Gaussian about theirs.
    """
    freedom, motion = found.freedom, found.motion

    if freedom is None or motion is None or target.domain is None or target.chart is None:
        return 0.0, 0.0

    assert source.domain is not None
    coordinates = source.domain.coordinates
    images = minimum_image(motion(coordinates), target.domain.periods)
    frames = target.chart.frames(images.to(target.observations.device)).double().cpu()
    fields = freedom.generators.at(coordinates)
    gram = torch.einsum("nir,nij,njs->rs", fields, frames.mT @ frames, fields) / len(fields)
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(DRAWS, len(gram), generator=generator, dtype=torch.float64)
    value, axes = torch.linalg.eigh(freedom.covariance)
    parameters = freedom.mean + draws * value.clamp_min(0).sqrt() @ axes.T
    square = torch.einsum("qr,rs,qs->q", parameters, gram, parameters).clamp_min(0)
    found_square = max((freedom.mean @ gram @ freedom.mean).item(), 0.0)
    highest = square.quantile((1 + confidence) / 2).item()

    return math.sqrt(found_square) / target.spread, STRAIN_MARGIN * math.sqrt(highest) / target.spread

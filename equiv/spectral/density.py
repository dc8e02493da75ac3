r"""One over the sampling density in the inputs' metric, as weights: a control variate for random samples.

Uniform random samples are not evenly spread, and an average over n of them is off by :math:`n^{-1/2}`;
samples of another density average another thing. Volumes of balls that hold a fixed number of neighbours say
where samples lie thinner or denser. They are noisy one by one and wrong at the boundary, but their sums
against smooth functions are right where balls lie inside: so a smooth density is fitted to them there, and
continued.

References:
    | Integral approximation by kernel smoothing (Delyon and Portier, 2016), for rates beyond Monte Carlo's
    | https://doi.org/10.3150/15-BEJ725

    | Density estimation on manifolds with boundary (Berry and Sauer, 2017), for the offset at the boundary
    | https://doi.org/10.1016/j.csda.2016.09.011
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.checks import check_integer
from equiv.metric.binary_scale import binary_scale
from equiv.metric.mahalanobis import MAX_NORMAL_SHARE
from equiv.observe.draws import distinct_samples
from equiv.observe.frames import split_frames
from equiv.observe.observations import Observations
from equiv.spectral.galerkin import GalerkinMaps

__all__ = ["density_weights"]


# Euclidean neighbours that are looked at; where frames stretch, fewer of them fill a ball of the metric.
# [samples; chosen: twice the largest ball and more, so that frames may stretch by two without a loss]
CANDIDATE_NEIGHBOURS = 128

# Neighbours in the smallest ball.
# [samples; chosen: a volume from 8 neighbours is off by a third, which the fit averages]
SMALLEST_BALL = 8

# Neighbours in the largest ball.
# [samples; chosen: larger balls smooth the density away, smaller ones are noisier]
LARGEST_BALL = 48

# Entries (n, candidates, d) gathered in one go.
# [numbers; chosen: 32 MB]
GATHERED_ENTRIES = 4_000_000

# Samples below which no density is seen.
# [samples; chosen: two eigenfunctions by the rule below, fewer would only be noise]
FEWEST_SAMPLES = 50

# Samples for each eigenfunction that the density is made of.
# [samples; chosen: an average over so many is off by about a fifth]
SAMPLES_PER_FEATURE = 20

# Samples inside the space, for each unknown of the density.
# [samples; chosen: half of those above may lie at the boundary]
INSIDE_PER_UNKNOWN = 10

# Gaussians that the eigenfunctions are made of, unless more eigenfunctions are asked for.
# [functions; chosen: as the default of GalerkinMaps]
GAUSSIANS = 300

# Steps of Newton's method, which ends before by itself.
# [steps; chosen: the problem is convex, so that few are needed]
NEWTON_STEPS = 50

# Ridge on the curvature of the convex problem.
# [share of its mean diagonal; chosen: above rounding, and it changes the steps alone, not where they end]
NEWTON_RIDGE = 1e-9

# A step of Newton's method is halved no further than to this share of it.
# [share of a step; chosen: below it, rounding decides whether the excess falls]
SMALLEST_RATE = 1e-6

# Newton's method has ended when no coefficient changes by more.
# [logarithm of the density; chosen: far below the noise of the volumes]
NEWTON_TOLERANCE = 1e-10


def density_weights(observations: Observations, n_features: int = 60) -> Tensor:
    r"""Weights :math:`w_i \propto 1 / p(x_i)` from activations and frames.

    With :math:`r_i` the distance of the :math:`k_i`-th neighbour in the metric, :math:`V_i = r_i^m / k_i`
    has the mean :math:`\propto 1 / p` wherever the ball lies inside the input space, which the mean offset of
    the neighbours tells (:math:`k (m + 2) |\bar v|^2 / r^2` is then :math:`\chi^2_m`). The weights are
    :math:`w = \exp(a^\top \phi)`, :math:`\phi` the constant and the leading eigenfunctions of `GalerkinMaps`,
    with the same moments over those samples as V:

    .. math:: \sum_i \phi(x_i)\, (e^{a^\top \phi(x_i)} - V_i) = 0.

    Arguments:
        observations: `n` samples with frames of one rank m at most samples; smooth densities only are found. Copies
            share the weight of one.
        n_features: Eigenfunctions used; where there are fewer than 20 samples for each, fewer.

    Returns:
        The weights, shape `(n,)`, float64, of mean one, for `GalerkinMaps.fit`.

    Raises:
        TypeError: If `observations` is none.
        ValueError: As `GalerkinMaps.fit`; if fewer than 50 samples that differ are given, or nearly all of them lie at
            the boundary, as in high dimensions.
    """
    n_features = check_integer(n_features, "n_features")

    if not isinstance(observations, Observations):
        raise TypeError(
            f"'observations' should be equiv.Observations, got {type(observations).__name__}; wrap arrays in it."
        )

    observations = binary_scale(observations.values, observations.frames).observations(observations)
    # Copies would fill the balls around each other; a weight is shared among them.
    distinct = distinct_samples(observations.values, observations.frames)
    observations = distinct.of(observations)

    if len(observations) < FEWEST_SAMPLES:
        raise ValueError(
            f"'observations' should hold at least {FEWEST_SAMPLES} samples to see their density, got "
            f"{len(observations)} that differ; add samples or go without weights."
        )

    k = min(n_features, len(observations) // SAMPLES_PER_FEATURE)
    eigenfunctions = GalerkinMaps(k, max(GAUSSIANS, k)).fit(observations).coordinates_
    features = torch.cat([torch.ones_like(eigenfunctions[:, :1]), eigenfunctions], dim=1)
    volumes, inside = _ball_volumes(observations)

    if inside.sum() < INSIDE_PER_UNKNOWN * features.shape[1]:
        raise ValueError(
            f"'observations' should lie mostly inside the input space, got {int(inside.sum())} of "
            f"{len(observations)} samples whose neighbours surround them; add samples or go without weights."
        )

    weights = (features @ _matching_moments(features[inside], volumes[inside])).exp()
    weights = (weights / distinct.counts)[distinct.place]

    return weights / weights.mean()


def _matching_moments(features: Tensor, volumes: Tensor) -> Tensor:
    r"""The a of the convex problem :math:`\min \sum_i e^{a^\top \phi_i} - V_i\, a^\top \phi_i`, by Newton."""
    volumes = volumes / volumes.mean()
    a = torch.zeros_like(features[0])

    def excess(a: Tensor) -> float:
        exponent = features @ a
        return (exponent.exp() - volumes * exponent).mean().item()

    for _ in range(NEWTON_STEPS):
        fitted = (features @ a).exp()
        gradient = features.mT @ (fitted - volumes) / len(features)
        curvature = (features * fitted[:, None]).mT @ features / len(features)
        curvature.diagonal().add_(NEWTON_RIDGE * curvature.diagonal().mean())
        step = torch.linalg.solve(curvature, gradient)
        rate = 1.0
        while excess(a - rate * step) > excess(a) and rate > SMALLEST_RATE:
            rate *= 0.5
        a = a - rate * step
        if step.abs().max() < NEWTON_TOLERANCE:
            break

    return a


def _ball_volumes(observations: Observations) -> tuple[Tensor, Tensor]:
    r"""Volumes per neighbour of metric balls, shape `(n,)`, up to a factor; which balls lie inside, bool."""
    from scipy.spatial import KDTree

    frames = observations.frames
    assert frames is not None
    values = observations.values.double()
    basis, scale, rank = split_frames(frames.double())
    m = int(rank.median())
    basis, scale = basis[:, :, :m], scale[:, :m]
    count = min(CANDIDATE_NEIGHBOURS, len(values) // 4)
    points = values.cpu().numpy()
    near = torch.from_numpy(KDTree(points).query(points, k=count + 1)[1]).long().to(values.device)
    usable = rank == m
    # A ball of radius r reaches as far as r times the largest singular value in the activations: so many of
    # the Euclidean neighbours are sure to fill it.
    anisotropy = (scale / scale[:, :1].clamp(min=1e-300)).prod(dim=1)
    wanted = (0.5 * count * anisotropy).long().clamp(min=SMALLEST_BALL, max=LARGEST_BALL)
    volumes, surrounded = torch.ones_like(anisotropy), torch.zeros_like(usable)

    for rows in torch.arange(len(values), device=values.device).split(
        max(1, GATHERED_ENTRIES // (count * values.shape[1]))
    ):
        difference = values[near[rows, 1:]] - values[rows, None]
        tangent = difference @ basis[rows]  # (b, count, m)
        share = tangent.square().sum(dim=2) >= (1 - MAX_NORMAL_SHARE) * difference.square().sum(dim=2)
        offset = tangent / scale[rows, None].clamp(min=1e-300)
        squared = offset.square().sum(dim=2).masked_fill(~share, torch.inf)
        squared, order = squared.sort(dim=1)
        k = wanted[rows, None]
        reach = squared.gather(1, k - 1)[:, 0].sqrt()
        within = torch.arange(count, device=values.device) < k - 1
        offset = offset.gather(1, order[:, :, None].expand_as(offset)).masked_fill(~within[:, :, None], 0.0)
        mean = offset.sum(dim=1) / (k - 1) / reach[:, None].clamp(min=1e-300)
        statistic = mean.square().sum(dim=1) * (k[:, 0] - 1) * (m + 2)
        volumes[rows] = reach**m / k[:, 0]
        surrounded[rows] = (statistic < m) & reach.isfinite() & (reach > 0)

    return volumes, surrounded & usable

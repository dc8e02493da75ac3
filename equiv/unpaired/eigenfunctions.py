r"""Eigenfunctions of both sides that embed their input spaces, where these admit no flat chart or none is asked for.

The eigenfunctions of the Laplacian are those of the input space, whatever the network: of isometric spaces they
agree up to an orthogonal change of basis in each eigenspace.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.charts.isometric import SMALLEST_SCALE
from equiv.flattening.cloud import Cloud
from equiv.metric.neighbors import neighbor_graph
from equiv.metric.neuron_scale import spread_weights
from equiv.observe.frames import split_frames
from equiv.observe.observations import Observations
from equiv.probing.pushforward import derivatives_along
from equiv.spectral.density import density_weights
from equiv.spectral.diffusion_maps import DiffusionMaps
from equiv.spectral.galerkin import GalerkinMaps
from equiv.verdict import NAME_A, NAME_B

__all__ = ["EigenSide", "clouds", "eigen_sides", "leading_frames", "nearest_in", "said_of_clouds"]


# Most eigenfunctions looked at.
# [eigenfunctions; chosen: a trade of time, spheres take 3, tori up to 8]
MAX_EIGENFUNCTIONS = 16

# One eigenfunction in so many samples at most.
# [samples; chosen: higher ones have fewer samples to a half wave than tell their slope]
SAMPLES_PER_EIGENFUNCTION = 20

# Functions that they are sought among: few, so that the noise of samples stays smooth and can be refined away.
# [functions a dimension; chosen: a trade of that against the detail of high eigenfunctions]
FUNCTIONS_PER_DIMENSION = 20

# Eigenvalues farther apart than this factor belong to different eigenspaces, sampling noise within.
# [dimensionless; chosen: sampling noise is some percent, eigenvalues of symmetric spaces are farther apart]
EIGENSPACE_GAP = 1.25

# Eigenfunctions immerse the space where their smallest slope is above this share of the usual one.
# [dimensionless; chosen: a tenth is told from a slope that vanishes everywhere]
SMALLEST_SLOPE = 0.1

# But for this share of the samples, since eigenfunctions flatten at boundaries.
# [share of the samples; chosen: as many as are next to a boundary]
FLAT_SHARE = 0.1

# Neighbours that may join clouds, over those of a chart: across a kink of the network come others than the nearest.
# [dimensionless; measured: of 192 sides of random flat spaces, kinked ones among them, 2 fall apart; with 1, 10 do]
JOINING_MULTIPLE = 4


@dataclass(frozen=True)
class EigenSide:
    r"""One network's samples with eigenfunctions.

    Attributes:
        observations: The samples, with frames of rank m.
        coordinates: Eigenfunctions :math:`\psi`, unit mean square, shape `(n, k)`.
        frames: Their derivatives along the frames, :math:`P = D\psi\, J`, shape `(n, k, m)`.
        eigenvalues: Of minus the Laplacian, `(k,)`, in 1 / (input unit)^2.
        blocks: The eigenspaces, as ranges of columns.
    """

    observations: Observations
    coordinates: Tensor
    frames: Tensor
    eigenvalues: Tensor
    blocks: tuple[slice, ...]

    @property
    def metric(self) -> Tensor:
        r"""The inverse metric in the eigenfunctions, :math:`P P^\top`, shape `(n, k, k)`."""
        return self.frames @ self.frames.mT


def eigen_sides(a: Observations, b: Observations, method: str) -> tuple[EigenSide, EigenSide]:
    r"""Both sides with as many eigenfunctions as it takes to immerse either, in common eigenspaces.

    Arguments:
        a: Observations of A with frames.
        b: Observations of B with frames.
        method: "galerkin" or "diffusion_maps".

    Raises:
        ValueError: If eigenfunctions cannot be computed, or none of the first `MAX_EIGENFUNCTIONS` are enough.
    """
    found = [_eigenfunctions(obs, method) for obs in (a, b)]
    most = min(len(values) for values, _, _ in found)
    usual = (found[0][0][:most] + found[1][0][:most]) / 2
    cuts = [k for k in range(1, len(usual)) if usual[k] > EIGENSPACE_GAP * usual[k - 1]]

    for end in cuts:
        if all(_immersed(frames[:, :end]) for _, _, frames in found):
            break
    else:
        raise ValueError(
            f"'a' and 'b' should be immersed by their first {MAX_EIGENFUNCTIONS} eigenfunctions, got flat ones; "
            "compare more samples, or with method='isometric'."
        )

    edges = [0, *(cut for cut in cuts if cut <= end)]
    blocks = tuple(slice(low, high) for low, high in itertools.pairwise(edges))
    first, second = (
        EigenSide(obs, psi[:, :end], frames[:, :end], values[:end], blocks)
        for obs, (values, psi, frames) in zip((a, b), found, strict=True)
    )

    return first, second


def _eigenfunctions(obs: Observations, method: str) -> tuple[Tensor, Tensor, Tensor]:
    r"""Eigenvalues `(k,)`, eigenfunctions `(n, k)` and their slopes `(n, k, m)`, on the CPU in float64."""
    obs = obs.to(torch.float64)
    count = min(MAX_EIGENFUNCTIONS, len(obs) // SAMPLES_PER_EIGENFUNCTION)
    assert obs.frames is not None and obs.rank is not None
    m = int(obs.rank.mode().values)

    try:
        weights = density_weights(obs)
    except ValueError:  # too few samples inside: the density stays as it is
        weights = None

    smooth = GalerkinMaps(count, max(FUNCTIONS_PER_DIMENSION * m, count)).fit(obs, weights)
    function: Callable[[Tensor], Tensor] = smooth.transform
    eigenvalues, coordinates = smooth.eigenvalues_, smooth.coordinates_

    if method == "diffusion_maps":
        maps = DiffusionMaps(count).fit(obs)
        evaluated = smooth.basis_.evaluate(obs.values)
        coefficients = torch.linalg.lstsq(evaluated.cpu(), maps.coordinates_.cpu(), driver="gelsd").solution
        coefficients = coefficients.to(obs.device)
        eigenvalues, coordinates = maps.eigenvalues_, evaluated @ coefficients

        def function(values: Tensor) -> Tensor:
            return smooth.basis_.evaluate(values) @ coefficients

    slopes = derivatives_along(function, obs.values, leading_frames(obs.frames, m))

    return eigenvalues[1:].cpu(), coordinates.cpu(), slopes.cpu()


def said_of_clouds(counts: Iterable[int]) -> str:
    r"""A sentence if A or B falls into several clouds, each of which may lie anywhere beside the others."""
    for name, count in zip((NAME_A, NAME_B), counts, strict=True):
        if count > 1:
            return (
                f"The samples of {name} fall into {count} clouds that no chain of neighbours joins, and nothing tells "
                "how these lie to each other."
            )

    return ""


def clouds(obs: Observations) -> int:
    r"""How many parts the samples fall into that no chain of neighbours joins, tangent or not."""
    assert obs.frames is not None and obs.rank is not None
    m = int(obs.rank.mode().values)

    if m == 0:
        return 1

    values = obs.values.double().cpu()
    weights = spread_weights(values)
    basis, scale, _ = split_frames(obs.frames.double().cpu() * weights[:, None], rtol=0.0)
    scale = scale[:, :m].clamp_min(SMALLEST_SCALE * float(scale[:, m - 1].median()))
    cloud = Cloud(values * weights, basis[:, :, :m], scale, 0.0)
    k = min(JOINING_MULTIPLE * cloud.neighbors, len(cloud) - 1)

    return neighbor_graph(cloud.values, cloud.basis, cloud.scale, k, jumping=True).components()[0]


def leading_frames(frames: Tensor, m: int) -> Tensor:
    r"""Frames `(n, d, m)` of full column rank with the metric of frames `(n, d, k)` of rank m."""
    left, scale, _ = torch.linalg.svd(frames, full_matrices=False)

    return left[:, :, :m] * scale[:, None, :m]


def _immersed(frames: Tensor) -> bool:
    r"""Whether eigenfunctions have independent slopes, `(n, k, m)`, nearly everywhere."""
    if frames.shape[1] < frames.shape[2]:
        return False

    smallest = torch.linalg.svdvals(frames)[:, -1]
    usual = torch.linalg.svdvals(frames).mean()

    return bool(smallest.quantile(FLAT_SHARE) > SMALLEST_SLOPE * usual)


def nearest_in(cloud: Tensor, points: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    r"""Distances to the nearest points of a cloud and their indices, `(q, count)` each, ascending."""
    from scipy.spatial import cKDTree

    distances, indices = cKDTree(cloud.numpy()).query(points.numpy(), range(1, count + 1))

    return torch.from_numpy(distances), torch.from_numpy(indices)

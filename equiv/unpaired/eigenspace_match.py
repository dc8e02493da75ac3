r"""Registration of eigenfunctions: the orthogonal change of basis in each eigenspace that matches two clouds.

Where the spaces are isometric, :math:`\psi_B \circ T = Q \psi_A` with Q orthogonal and block diagonal. Anchors fix Q
as far as they go; for the rest starts are drawn and refined by nearest neighbours, and those that fit equally well
are counted.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiv.unpaired.eigenfunctions import EigenSide

__all__ = ["register_eigenspaces"]

# Starts drawn at random.
# [starts; chosen: a trade of time against minima missed]
STARTS = 48

# Orthogonal fits to nearest neighbours from each start.
# [rounds; chosen: a trade of time, the refinement does the rest]
FITS_PER_START = 12

# A fit that changes the matrix by less is the last.
# [Frobenius norm of an orthogonal matrix; chosen: neighbours then stay the same]
SETTLED_CHANGE = 1e-6

# Size of what is drawn at random beside the moment of anchors.
# [squared sizes of an eigenfunction; chosen: decides only what anchors leave open]
RANDOM_MOMENT = 1e-3

# Samples of either side while starts are compared.
# [samples; chosen: a trade of time, all pairs are looked at]
THINNED_SAMPLES = 500

# What an anchor says outweighs what the neighbours of this many samples say.
# [samples; chosen: anchors correspond, neighbours are only near]
SAMPLES_PER_ANCHOR = 50.0

# Two registrations are the same when their matrices differ by less, per root of the number of eigenfunctions.
# [Frobenius norm of an orthogonal matrix; chosen: less than between symmetries, more than noise]
DISTINCT_MATCHES = 0.3

# A registration fits as well as the best when its misfit is below this many times it.
# [dimensionless; chosen: a trade of symmetries that are missed against matches that are none]
EQUALLY_GOOD_MATCHES = 1.15

# More than this that fit equally well are a continuum.
# [registrations; chosen: a quarter of the starts]
MATCHES_OF_A_CONTINUUM = 12


def register_eigenspaces(
    a: EigenSide, b: EigenSide, anchors: Tensor | None, seed: int = 0
) -> tuple[list[Tensor], float, float]:
    r"""The Q that fit best, how well they do, and how many they are.

    Starts are the orthogonal fits to the anchors, completed at random where these leave directions open; each is
    improved by the orthogonal fit to the mutual nearest neighbours, with :math:`\psi_A Q^\top` among the rows of
    :math:`\psi_B` and the reverse.

    Arguments:
        a: Side A.
        b: Side B, with the same eigenspaces.
        anchors: Pairs of sample indices, `(k, 2)`; None for none.
        seed: Of the starts.

    Returns:
        Matrices Q, shape `(k, k)` each, best first, which fit equally well; the RMS distance to the nearest
        neighbour over that between neighbours on one side, about 1 where the clouds are the same; and the number of
        the matrices, `math.inf` for a continuum.

    References:
        | A method for registration of 3-D shapes (Besl and McKay, 1992), https://doi.org/10.1109/34.121791
    """
    generator = torch.Generator().manual_seed(seed)
    source, target = (_thinned(side.coordinates) for side in (a, b))
    ends = None if anchors is None else (a.coordinates[anchors[:, 0]], b.coordinates[anchors[:, 1]])
    spacing = math.hypot(_spacing(source), _spacing(target)) / math.sqrt(2)
    found: list[tuple[float, Tensor]] = []

    for _ in range(STARTS):
        k = a.coordinates.shape[1]
        drawn = torch.randn(k, k, generator=generator, dtype=torch.float64)
        moment = 1e-6 * drawn if ends is None else ends[0].T @ ends[1] + RANDOM_MOMENT * drawn
        matrix = _orthogonal(moment, a.blocks)

        for _ in range(FITS_PER_START):
            moved = source @ matrix
            distances = torch.cdist(moved, target)
            there, back = distances.argmin(dim=1), distances.argmin(dim=0)
            moment = source.T @ target[there] + source[back].T @ target

            if ends is not None:
                moment = moment + SAMPLES_PER_ANCHOR * ends[0].T @ ends[1]

            before, matrix = matrix, _orthogonal(moment, a.blocks)

            if (matrix - before).norm() < SETTLED_CHANGE:
                break

        distances = torch.cdist(source @ matrix, target)
        square = distances.amin(dim=1).square().mean() + distances.amin(dim=0).square().mean()

        if ends is not None:
            square = square + (ends[0] @ matrix - ends[1]).square().sum(dim=1).mean()

        found.append(((square / 2).sqrt().item() / spacing, matrix.T))

    found.sort(key=lambda entry: entry[0])
    limit = EQUALLY_GOOD_MATCHES * max(found[0][0], 1.0)
    good: list[Tensor] = []

    for misfit, matrix in found:
        far = all((matrix - other).norm() > DISTINCT_MATCHES * math.sqrt(len(matrix)) for other in good)

        if misfit <= limit and far:
            good.append(matrix)

    return good, found[0][0], len(good) if len(good) <= MATCHES_OF_A_CONTINUUM else math.inf


def _orthogonal(moment: Tensor, blocks: tuple[slice, ...]) -> Tensor:
    r"""The block diagonal orthogonal matrix with the largest inner product with a moment `(k, k)`."""
    matrix = torch.zeros_like(moment)

    for block in blocks:
        left, _, right = torch.linalg.svd(moment[block, block])
        matrix[block, block] = left @ right

    return matrix


def _thinned(coordinates: Tensor) -> Tensor:
    return coordinates[:: math.ceil(len(coordinates) / THINNED_SAMPLES)]


def _spacing(coordinates: Tensor) -> float:
    r"""RMS distance to the nearest neighbour."""
    distances = torch.cdist(coordinates, coordinates).fill_diagonal_(torch.inf)

    return distances.amin(dim=1).square().mean().sqrt().item()

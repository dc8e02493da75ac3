r"""Coordinates modulo a lattice of periods: differences, nearest representatives, local isometries.

A circle or torus has the coordinates :math:`\mathbb R^m / \Lambda`, with :math:`\Lambda` spanned by the rows
of `periods`, shape `(p, m)`, in input units; `None` stands for no periods at all.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Embedding",
    "into_cell",
    "lattice_embeddings",
    "lattice_images",
    "minimum_image",
    "reduce_lattice",
]


# Rounds of pairwise reduction, each of which shortens a vector.
# [rounds; chosen: a guard against rounding that goes in circles; a few serve]
MAX_REDUCTIONS = 100


def minimum_image(difference: Tensor, periods: Tensor | None) -> Tensor:
    r"""The shortest representative of each difference, shape `(..., m)`, modulo the lattice.

    The minimum-image convention of periodic cells: rounding in the basis of `periods` (Babai 1986), then a look at the
    neighbouring lattice vectors, which finds the shortest for reduced bases of up to three periods.
    """
    if periods is None or len(periods) == 0:
        return difference

    periods = periods.to(difference)
    near = difference - (difference @ torch.linalg.pinv(periods)).round() @ periods
    images = lattice_images(periods, difference.shape[-1])
    shortest = (near[..., None, :] - images).norm(dim=-1).argmin(dim=-1)

    return near - images[shortest]


class Embedding(NamedTuple):
    r"""A linear map that carries one lattice into another and keeps lengths.

    Attributes:
        matrix: M, shape `(m, m)`.
        sheets: How often the source covers the target, 1 for an isometry; of lattices of unequal rank, the
            volume of a cell of the image in cells of the target.
        strain: Largest relative difference of lengths.
    """

    matrix: Tensor
    sheets: int
    strain: float


def lattice_embeddings(source: Tensor, target: Tensor, tolerance: float) -> list[Embedding]:
    r"""Linear maps that carry one lattice into another and keep lengths.

    All M with :math:`M \Lambda_S \subset \Lambda_T` and :math:`\lvert M^\top M - 1 \rvert \le` `tolerance` on
    the span of :math:`\Lambda_S`; where the lattices do not span the space, each is continued by an isometry
    of the orthogonal complements in all discrete ways, of which there are two for a complement of dimension
    1.

    Arguments:
        source: Periods :math:`\Lambda_S`, shape `(p, m)`, p > 0, m - p at most 1, in input units.
        target: Periods :math:`\Lambda_T`, shape `(q, m)`, q at least p.
        tolerance: Largest relative difference of lengths. Dimensionless.
    """
    q = len(target)
    reach = int((source.norm(dim=1).max() / torch.linalg.svdvals(target).min()).ceil().item()) + 1
    steps = torch.tensor(list(itertools.product(range(-reach, reach + 1), repeat=q)), dtype=target.dtype)
    vectors = steps @ target  # (s, m)
    choices = [
        ((vectors.norm(dim=1) / period.norm() - 1).abs() <= tolerance).nonzero().flatten().tolist()
        for period in source
    ]
    gram = source @ source.T
    scale = gram.diagonal().sqrt()
    found: list[Embedding] = []

    for chosen in itertools.product(*choices):
        image = vectors[list(chosen)]
        strain = ((image @ image.T - gram) / (scale[:, None] * scale)).abs().max().item()
        coefficients = steps[list(chosen)]  # (p, q)
        sheets = round(torch.linalg.det(coefficients @ coefficients.T).clamp_min(0).sqrt().item())

        if sheets > 0 and strain <= 2 * tolerance:
            linear = torch.linalg.pinv(source) @ image  # rows: u -> u @ linear
            found += [
                Embedding(rest.T + linear.T, sheets, strain / 2) for rest in _complements(source, image)
            ]

    return found


def _complements(source: Tensor, image: Tensor) -> list[Tensor]:
    r"""Isometries between the orthogonal complements of two spans, for complements of dimension 0 or 1."""
    p, m = source.shape

    if p == m:
        return [torch.zeros(m, m, dtype=source.dtype)]

    normals = [torch.linalg.svd(basis)[2][p:] for basis in (source, image)]
    along = normals[0].T @ normals[1]

    return [along, -along]


def reduce_lattice(periods: Tensor) -> Tensor:
    r"""A basis of the same lattice with short vectors, shortest first (pairwise Gauss reduction)."""
    vectors = [vector.clone() for vector in periods]

    for _ in range(MAX_REDUCTIONS):
        vectors.sort(key=lambda vector: float(vector.norm()))
        changed = False
        for a in range(len(vectors)):
            for b in range(a + 1, len(vectors)):
                count = (vectors[b] @ vectors[a] / vectors[a].square().sum()).round()
                if abs(float(count)) >= 1:
                    vectors[b] = vectors[b] - count * vectors[a]
                    changed = True
        if not changed:
            break

    return torch.stack(vectors)


def lattice_images(periods: Tensor | None, m: int) -> Tensor:
    r"""The lattice vectors with coefficients -1, 0, 1, `(3^p, m)`: the zero vector alone without periods."""
    if periods is None:
        return torch.zeros(1, m, dtype=torch.float64)

    images = torch.zeros(1, m, dtype=periods.dtype, device=periods.device)

    for period in periods:
        images = torch.cat([images, images - period, images + period])

    return images


def into_cell(coordinates: Tensor, periods: Tensor) -> Tensor:
    r"""Representatives modulo the lattice, `(q, m)`, in the cell around the origin that `periods` span."""
    if len(periods) == 0:
        return coordinates

    counts = torch.linalg.solve(periods @ periods.mT, periods @ coordinates.mT).mT

    return coordinates - counts.detach().round() @ periods

r"""What the usual measures of similarity say of samples that are paired at random.

Similarities of wide layers at few samples are large by themselves: the linear CKA of independent neurons tends to 1
as their number grows over that of the samples. What a measure says is to be held against what it says by chance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from equiv.observe.draws import Draws, rows_of
from equiv.similarity.side import Side

__all__ = ["Chance", "components_by_chance", "distances_by_chance", "neighbours_by_chance"]

# The samples are paired at random so many times.
# [pairings; derived: one more exceeds the largest of 19 in one of 20]
PAIRINGS = 19

# Numbers of one side that are permuted at once.
# [numbers; chosen: 32 MiB in float64]
PERMUTED_NUMBERS = 2**22

# The share of the variance that `equiv.baselines.svcca` keeps.
# [share of the variance; chosen: its default]
LEADING_VARIANCE = 0.99

# The neighbours that `equiv.baselines.mutual_knn` takes.
# [neighbours; chosen: its default]
NEIGHBOURS = 10


# The width that `equiv.baselines.rbf_cka` takes.
# [median distances; chosen: its default]
WIDTH = 0.5

# Components of a side up to which PWCCA is told.
# [components; chosen: 19 decompositions of such products take a tenth of a second of one core]
MAX_WEIGHTED_COMPONENTS = 128


class Chance(NamedTuple):
    r"""A measure of samples paired at random.

    Attributes:
        mean: Over the pairings.
        high: The largest of 19 pairings, which another exceeds in one of 20.
    """

    mean: float
    high: float


def components_by_chance(a: Side, b: Side, draws: Draws, generator: torch.Generator) -> dict[str, Chance]:
    r"""Linear CKA, debiased CKA, SVCCA, PWCCA and Procrustes of samples paired at random, by name.

    All follow from the products :math:`U_A^\top \Pi U_B` of both sides' principal components: of permuted samples
    nothing else changes. PWCCA, which takes all singular vectors of the products, is left out where
    there are more components than can be decomposed so often in a part of the time of a comparison.

    Arguments:
        a: A's activations.
        b: B's activations at the same inputs.
        draws: The independent draws of the samples. They are exchanged whole: groups in another order, paths shifted
            along themselves.
        generator: Of the pairings.

    Raises:
        ValueError: Where the measures do.
    """
    one, other = _components(a), _components(b)
    some = max(1, PERMUTED_NUMBERS // other.basis.numel())
    found = [_measured(one, other, pairings) for pairings in _pairings(draws, generator).split(some)]

    return _told({name: torch.cat([part[name] for part in found]) for name in found[0]})


def neighbours_by_chance(a: Side, b: Side, draws: Draws, generator: torch.Generator) -> dict[str, Chance]:
    r"""Mutual kNN of samples paired at random; arguments and errors as of `components_by_chance`."""
    near = [side.neighbours(NEIGHBOURS) for side in (a, b)]
    one, other = (each / each.norm(dim=1, keepdim=True) for each in near)
    i, j = one.nonzero().T
    weights = one[i, j] / len(one)

    return _told(
        {"mutual_knn": torch.stack([weights @ other[p[i], p[j]] for p in _pairings(draws, generator)])}
    )


def distances_by_chance(a: Side, b: Side, draws: Draws, generator: torch.Generator) -> dict[str, Chance]:
    r"""RBF CKA and RSA of samples paired at random, by name; arguments and errors as of `components_by_chance`."""
    i, j = torch.triu_indices(len(a), len(a), device=a.values.device)
    twice = torch.where(i == j, 1.0, 2.0).double()
    sides = []

    for side in (a, b):
        kernel = side.kernel(WIDTH)
        sides.append((kernel / kernel.norm(), _symmetric(side.ranks - side.ranks.mean())))

    left = torch.stack(sides[0])[:, i, j] * twice
    right = torch.stack(sides[1]).flatten(1)
    found = [(left * right[:, p[i] * len(a) + p[j]]).sum(dim=1) for p in _pairings(draws, generator)]
    rbf, rsa = torch.stack(found, dim=1)

    return _told({"rbf_cka": rbf, "rsa": rsa})


def _symmetric(pairs: Tensor) -> Tensor:
    r"""The symmetric matrix `(n, n)` of norm 1 with these entries `(n (n - 1) / 2,)` above its diagonal of zeros."""
    n = (1 + math.isqrt(1 + 8 * len(pairs))) // 2
    i, j = torch.triu_indices(n, n, 1, device=pairs.device)
    matrix = pairs.new_zeros(n, n)
    matrix[i, j] = pairs

    return (matrix + matrix.mT) / (math.sqrt(2) * pairs.norm())


def _told(values: dict[str, Tensor]) -> dict[str, Chance]:
    r"""What is told of a measure's values in all pairings; nothing where it is not defined."""
    return {
        name: Chance(each.mean().item(), each.max().item())
        for name, each in values.items()
        if bool(each.isfinite().all())
    }


def _pairings(draws: Draws, generator: torch.Generator) -> Tensor:
    r"""Which sample of B stands beside each of A's, `(p, n)`."""
    return torch.stack([_pairing(draws, generator) for _ in range(PAIRINGS)])


def _pairing(draws: Draws, generator: torch.Generator) -> Tensor:
    if draws.reach > 0:
        order = draws.units.argsort(stable=True)
        other = order.roll(int(torch.randint(1, len(order), (1,), generator=generator)))
    elif draws.independent:
        return torch.randperm(len(draws), generator=generator).to(draws.units.device)
    else:
        rows = rows_of(draws.units)
        order = torch.cat(rows)
        other = torch.cat([rows[k] for k in torch.randperm(len(rows), generator=generator).tolist()])

    return other[order.argsort()]


class _Components(NamedTuple):
    r"""One side by its principal components.

    Attributes:
        basis: Orthonormal, `(n, r)`.
        scale: Their singular values, `(r,)`, of norm 1.
        leading: How many SVCCA keeps.
        loadings: The components' products with the neurons, `(r, d)`.
        lengths: Squared lengths of the samples, `(n,)`, of sum 1.
    """

    basis: Tensor
    scale: Tensor
    leading: int
    loadings: Tensor
    lengths: Tensor


def _components(side: Side) -> _Components:
    return _Components(
        side.basis,
        side.shares,
        side.leading(LEADING_VARIANCE),
        side.loadings,
        side.squared / side.squared.sum(),
    )


def _measured(a: _Components, b: _Components, pairings: Tensor) -> dict[str, Tensor]:
    r"""The measures with B's samples paired so, `(p, n)`: by name, `(p,)` each."""
    product = a.basis.mT @ b.basis[pairings]  # (p, r_a, r_b)
    scaled = a.scale[:, None] * product * b.scale
    together = scaled.square().sum(dim=(1, 2))
    own = [side.scale.pow(4).sum() for side in (a, b)]
    unbiased = _unbiased(together, a.lengths, b.lengths[pairings])
    sizes = [_unbiased(size, side.lengths, side.lengths) for size, side in zip(own, (a, b), strict=True)]

    return {
        "linear_cka": together / (own[0] * own[1]).sqrt(),
        "debiased_cka": unbiased / (sizes[0] * sizes[1]).sqrt(),
        "svcca": torch.linalg.svdvals(product[:, : a.leading, : b.leading]).clamp(max=1).mean(dim=1),
        **_weighted(product, a.loadings, b.loadings),
        "procrustes": torch.linalg.matrix_norm(scaled, ord="nuc"),
    }


def _weighted(product: Tensor, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    r"""PWCCA by either side, from products `(p, r_a, r_b)` and the loadings of both; nothing of many components."""
    if max(product.shape[1:]) > MAX_WEIGHTED_COMPONENTS:
        return {}

    u, correlation, vt = torch.linalg.svd(product, full_matrices=False)
    seen = [_sizes(axes, loadings) for axes, loadings in ((u.mT, a), (vt, b))]
    correlation = correlation.clamp(max=1)
    one, other = ((each * correlation).sum(dim=1) / each.sum(dim=1) for each in seen)

    return {"pwcca_a": one, "pwcca_b": other}


def _sizes(axes: Tensor, loadings: Tensor) -> Tensor:
    r"""Sums over neurons of the sizes of :math:`V L`, from `(p, k, r)` and `(r, d)`, `(p, k)`."""
    neurons = max(1, PERMUTED_NUMBERS // axes[:, :, 0].numel())

    return sum(((axes @ few).abs().sum(dim=2) for few in loadings.split(neurons, 1)), axes.new_zeros(()))


def _unbiased(together: Tensor, a: Tensor, b: Tensor) -> Tensor:
    r""":math:`\langle K, L \rangle` of `baselines.debiased_cka` from :math:`|A^\top B|^2` and squared lengths.

    Of centred samples the rows of a Gram matrix sum to 0, and so to minus its diagonal without it.
    """
    n, both = len(a), b @ a

    return together - both + a.sum() * b.sum(dim=-1) / ((n - 1) * (n - 2)) - 2 / (n - 2) * both

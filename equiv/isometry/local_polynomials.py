r"""Polynomials about every sample, fitted to its neighbours by weighted least squares."""

import itertools

import torch
from torch import Tensor

__all__ = ["Terms", "gradients", "local_fit", "monomials", "terms"]

# Axes of the factors of each monomial.
Terms = tuple[tuple[int, ...], ...]

# Weight of a neighbour, one over this and the square of its distance: the nearest count most, but not alone.
# [squared usual distances; chosen: neighbours at the usual distance have a quarter of the weight of the nearest]
NEAREST_WEIGHT = 0.3

# What is added to the diagonal of the normal equations.
# [share of their mean diagonal; chosen: what few neighbours leave open stays zero, what they show changes by less than
# noise]
RIDGE = 1e-4


def terms(m: int, lowest: int, highest: int) -> Terms:
    r"""The monomials in m variables of some degrees."""
    return tuple(
        term
        for degree in range(lowest, highest + 1)
        for term in itertools.combinations_with_replacement(range(m), degree)
    )


def monomials(x: Tensor, some: Terms) -> Tensor:
    r"""At points `(e, m)`, `(e, p)`."""
    return torch.stack([x[:, list(term)].prod(dim=1) for term in some], dim=1)


def gradients(x: Tensor, some: Terms) -> Tensor:
    r"""Of the monomials at points `(e, m)`, `(e, p, m)`."""
    found = torch.zeros(len(x), len(some), x.shape[1], dtype=x.dtype)

    for row, term in enumerate(some):
        for axis in set(term):
            rest = list(term)
            rest.remove(axis)
            found[:, row, axis] = term.count(axis) * x[:, rest].prod(dim=1)

    return found


def local_fit(nodes: Tensor, n: int, x: Tensor, design: Tensor, goal: Tensor) -> Tensor:
    r"""Coefficients about each of n samples, `(n, p, q)`.

    Arguments:
        nodes: The sample about which each neighbour is seen, `(e,)`.
        n: How many samples there are.
        x: Where the neighbours are, over their usual distance, `(e, m)`.
        design: What is fitted at them, `(e, r, p)`, r equations for each.
        goal: To what, `(e, r, q)`.
    """
    p = design.shape[2]
    weighted = design / (NEAREST_WEIGHT + x.square().sum(dim=1))[:, None, None]
    gram = torch.zeros(n, p, p, dtype=x.dtype).index_add_(0, nodes, weighted.mT @ design)
    right = torch.zeros(n, p, goal.shape[2], dtype=x.dtype).index_add_(0, nodes, weighted.mT @ goal)
    size = gram.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(1e-300)

    return torch.linalg.solve(gram + RIDGE * size[:, None, None] * torch.eye(p, dtype=x.dtype), right)

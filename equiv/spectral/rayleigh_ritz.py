r"""Rayleigh-Ritz: eigenfunctions of the Laplacian in the span of given functions, and how true they are."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Ritz",
    "held_out_excess",
    "held_out_score",
    "orthonormal_span",
    "resolved_span",
    "ritz",
    "vanishing_eigenvalues",
]


# Directions of a span whose mean square is below this share of the largest are rounding of the sums and are left
# out (the functions, each scaled to unit variance, overlap and are nearly dependent).
# [share of the largest mean square; chosen: well above float64's rounding of sums over many samples]
RESOLVED_BY_SUMS = 1e-9

# Consecutive eigenvalues that differ by more are zeros, of clouds not joined, and those of one cloud.
# [ratio; chosen: those of one connected space differ by 4 at most on a line, by more only at narrow necks]
COMPONENT_GAP = 100.0

# Eigenvalues are not taken to be smaller than this when their ratios are.
# [share of the largest; chosen: rounding, so that zeros are not divided by]
ZERO_EIGENVALUE = 1e-12


class Ritz(NamedTuple):
    r"""Eigenpairs in a span.

    Attributes:
        eigenvalues: Ascending, the trivial 0 first, shape `(k + 1,)`.
        coefficients: Of the functions of unit mean square, without the trivial one, shape `(p + 1, k)`.
        rank: Dimension of the span that the mass matrix resolves, the constant included.
    """

    eigenvalues: Tensor
    coefficients: Tensor
    rank: int


def resolved_span(sums: Tensor) -> Tensor:
    r"""Orthonormal functions that the samples resolve, as combinations of the given ones.

    Arguments:
        sums: As of `ritz`.

    Returns:
        Coefficients, shape `(p + 1, r + 1)`: the constant 1, then r functions of zero mean, unit mean square
        and no correlation.
    """
    mass = sums[0] / sums[0, 0, 0]
    # The constant has no stiffness: deflating it leaves the covariance of the functions.
    mean = mass[0, 1:]
    covariance = mass[1:, 1:] - mean[:, None] * mean
    scale = covariance.diagonal().clamp(min=torch.finfo(torch.float64).tiny).rsqrt()
    variance, vectors = torch.linalg.eigh(covariance * scale * scale[:, None])
    kept = variance > RESOLVED_BY_SUMS * variance[-1]
    span = scale[:, None] * vectors[:, kept] * variance[kept].rsqrt()
    constant = torch.zeros_like(mass[:, :1])
    constant[0] = 1.0

    return torch.cat([constant, torch.cat([-(mean @ span)[None], span])], dim=1)


def orthonormal_span(functions: Tensor, weights: Tensor, rtol: float) -> Tensor:
    r"""As `resolved_span`, from the functions at samples themselves: no digits are lost to squares.

    Arguments:
        functions: At n samples, the constant first, shape `(n, p + 1)`.
        weights: Of the samples, shape `(n,)`.
        rtol: Directions whose mean square is below this share of the largest are left out.

    Returns:
        Coefficients, shape `(p + 1, r + 1)`.
    """
    share = weights / weights.sum()
    mean = share @ functions[:, 1:]
    centred = share.sqrt()[:, None] * (functions[:, 1:] - mean)
    scale = centred.norm(dim=0).clamp(min=torch.finfo(torch.float64).tiny).reciprocal()
    triangle = torch.linalg.qr(centred * scale, mode="r")[1]
    _, singular, right = torch.linalg.svd(triangle)
    kept = singular > rtol**0.5 * singular[0]
    span = scale[:, None] * right[kept].mT / singular[kept]
    constant = torch.zeros_like(functions[:1]).mT
    constant[0] = 1.0

    return torch.cat([constant, torch.cat([-(mean @ span)[None], span])], dim=1)


def ritz(sums: Tensor, k: int) -> Ritz:
    r"""Minimises :math:`E|\nabla u|^2 / E u^2` over the span, orthogonally to the constant.

    Arguments:
        sums: Mass and stiffness sums, shape `(2, p + 1, p + 1)`, float64, the constant function first.
        k: Eigenpairs wanted.

    Raises:
        ValueError: If the span holds fewer than k functions besides the constant.
    """
    span = resolved_span(sums)
    found = span.shape[1] - 1

    if found < k:
        raise ValueError(
            f"'n_coordinates' should be at most {found}, the number of functions that the samples resolve, "
            f"got {k}; add samples or neurons that vary, or ask for fewer coordinates."
        )

    energy = span.mT @ (sums[1] / sums[0, 0, 0]) @ span
    energy = 0.5 * (energy + energy.mT)[1:, 1:]
    eigenvalues, rotation = torch.linalg.eigh(energy)
    eigenvalues = torch.cat([eigenvalues.new_zeros(1), eigenvalues[:k].clamp(min=0)])

    return Ritz(eigenvalues, span[:, 1:] @ rotation[:, :k], found + 1)


def vanishing_eigenvalues(eigenvalues: Tensor) -> int:
    r"""How many eigenvalues `(k + 1,)`, ascending from the trivial 0, vanish beside the next: clouds not joined."""
    rates = eigenvalues[1:].clamp(min=ZERO_EIGENVALUE * eigenvalues[-1].item())
    leaps = (rates[1:] > COMPONENT_GAP * rates[:-1]).nonzero().flatten()

    return 1 + (int(leaps[-1]) + 1 if len(leaps) else 0)


def held_out_score(parts: Tensor, k: int) -> float:
    r"""Mean logarithm of the Rayleigh quotients that eigenfunctions fitted on the rest have on each part.

    With U the k trained eigenfunctions, the Ritz values :math:`\theta_j` of the *held-out* pencil in their
    span are each at least its own j-th eigenvalue, so that their mean logarithm is a variational score: the
    lower, the truer, and equally for all j whatever the size of the eigenvalue.

    Arguments:
        parts: Sums over disjoint parts of the samples, shape `(f, 2, p + 1, p + 1)`.
        k: Eigenfunctions.

    Returns:
        The score; infinite where a part of the samples does not resolve k functions.
    """
    scores = [
        torch.logdet(energy) - torch.logdet(variance) for _, variance, energy in _held_out_pencils(parts, k)
    ]

    if len(scores) < len(parts):
        return math.inf

    score = torch.stack(scores).mean().item() / k

    return score if math.isfinite(score) else math.inf


def held_out_excess(parts: Tensor, k: int) -> float:
    r"""How many times larger held-out Rayleigh quotients of eigenfunctions are than those that they were fitted to.

    Functions that climb where no sample is have a low quotient at those that they were fitted to alone.

    Arguments:
        parts: As of `held_out_score`.
        k: Eigenfunctions.

    Returns:
        The ratio of the eigenfunction for which it is largest; infinite where a part of the samples does not resolve k
        functions, NaN where all quotients vanish.
    """
    found = list(_held_out_pencils(parts, k))

    if len(found) < len(parts):
        return math.inf

    share = parts[:, 0, 0, 0, None] / parts[:, 0, 0, 0].sum()
    fitted, variance, energy = (torch.stack(each) for each in zip(*found, strict=True))
    held_out = (share * energy.diagonal(dim1=1, dim2=2)).sum(dim=0) / (
        share * variance.diagonal(dim1=1, dim2=2)
    ).sum(dim=0)

    return (held_out / (share * fitted).sum(dim=0)).max().item()


def _held_out_pencils(parts: Tensor, k: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    r"""For each part of the samples the k eigenvalues fitted to the rest, and the eigenfunctions' covariance and
    products of slopes on the part, `(k, k)` each; ends before a part without which the rest does not resolve k.
    """
    span = resolved_span(parts.sum(dim=0))
    reduced = span.mT @ parts @ span

    for held_out in reduced:
        try:
            fitted = ritz(reduced.sum(dim=0) - held_out, k)
        except ValueError:
            return
        coefficients = fitted.coefficients
        mass, stiffness = held_out / held_out[0, 0, 0]
        mean = mass[0] @ coefficients
        variance = coefficients.mT @ mass @ coefficients - mean[:, None] * mean
        yield fitted.eigenvalues[1:], variance, coefficients.mT @ stiffness @ coefficients

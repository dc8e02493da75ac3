r"""Which coordinates are new, and which repeat earlier ones.

References:
    | Parsimonious representation of nonlinear dynamical systems through manifold learning: a chemotaxis case
    | study (Dsilva, Talmon, Coifman and Kevrekidis, 2018), https://doi.org/10.1016/j.acha.2015.06.008
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_integer

__all__ = ["regression_residuals", "select_coordinates"]


# A coordinate of which local linear functions of the earlier ones leave at least this much is new.
# [share of its RMS; measured: tests/test_selection.py, harmonics leave below 0.2 and new directions above 0.9]
NEW_RESIDUAL = 0.3

# Samples that the regression looks at, evenly spread along the first coordinate.
# [samples; chosen: all their distances are formed, 8 MB, and more are not needed to tell 0.2 from 0.9]
REGRESSION_SAMPLES = 1000

# Width of the local regression's weights, over the median distance.
# [dimensionless; chosen: as Dsilva et al., few enough neighbours to be local and enough to fit]
BANDWIDTH_SHARE = 1 / 3

# A coordinate that varies by no more than this is constant.
# [share of its largest entry; chosen: above rounding in float64, and eigenfunctions vary by as much as they are large]
CONSTANT_SPREAD = 1e-12

# Added to the diagonal of each local regression, whose neighbours need not span all directions.
# [share of the diagonal; chosen: well above rounding, well below any residual that decides]
REGRESSION_RIDGE = 1e-8


def select_coordinates(coordinates: Any, n: int | None = None) -> Tensor:
    r"""Indices of the coordinates that are new: harmonics, functions of earlier coordinates, are left out.

    Eigenfunctions of a long space come with harmonics: on the strip :math:`[0, 3.5] \times [0, 1]` the first
    three are cosines of one coordinate, and only the fourth sees the other. How much of each coordinate is
    new says its residual, see `regression_residuals`.

    Arguments:
        coordinates: Eigenfunctions at samples, ascending in eigenvalue, without the constant one: `coordinates_`
            of any maps. A tensor or NumPy array of shape `(samples, k)`, float32 or float64, in any unit.
        n: How many to choose: those with the largest residuals. None: all whose residual is at least 0.3.

    Returns:
        Indices, ascending, the first coordinate always among them, shape `(s,)`, int64, on the device of
        `coordinates`.

    Raises:
        TypeError: If `coordinates` is no floating array, or `n` no integer.
        ValueError: If the array has another shape, is not finite, holds fewer than k + 3 samples or a
            constant coordinate; if `n` is below 1 or above k.

    References:
        | Dsilva et al. (2018), section 3

    Example:
        >>> x = torch.rand(500, 2, generator=torch.Generator().manual_seed(0))
        >>> waves = [torch.cos(torch.pi * k * x[:, 0]) for k in (1, 2, 3)]
        >>> select_coordinates(torch.stack([*waves, torch.cos(torch.pi * x[:, 1])], dim=1))
        tensor([0, 3])
    """
    coordinates = as_floating(coordinates, "coordinates", "(samples, k)", 2)
    check_finite(coordinates, "coordinates")
    samples, k = coordinates.shape

    if samples < k + 3:
        raise ValueError(
            f"'coordinates' should hold at least k + 3 = {k + 3} samples, got {samples}; add samples or leave "
            "out coordinates."
        )

    if not (coordinates.double().std(dim=0) > CONSTANT_SPREAD * coordinates.abs().amax()).all():
        raise ValueError(
            "'coordinates' should hold functions that vary, got a constant one; leave the trivial one out."
        )

    if n is not None and check_integer(n, "n") > k:
        raise ValueError(f"'n' should be at most {k}, the number of coordinates, got {n}; lower it.")

    residuals = regression_residuals(coordinates)

    if n is None:
        return (residuals >= NEW_RESIDUAL).nonzero().flatten()

    residuals[0] = torch.inf  # nothing comes before it

    return residuals.argsort(descending=True, stable=True)[:n].sort().values


def regression_residuals(coordinates: Tensor) -> Tensor:
    r"""How much of each coordinate is no function of the earlier ones.

    Each coordinate is predicted from all earlier ones by local linear regression, the sample itself left out,
    with weights :math:`\exp(-|\Delta|^2 / \epsilon^2)`, :math:`\epsilon` a third of the median distance; the
    residual is

    .. math:: r_k = \sqrt{\textstyle\sum_i (\phi_k(i) - \hat\phi_k(i))^2 / \sum_i \phi_k(i)^2}, \quad r_1 = 1.

    Arguments:
        coordinates: At more than k + 2 samples, none of them constant, shape `(samples, k)`.

    Returns:
        Shape `(k,)`, float64, dimensionless: about 0 for a function of earlier coordinates, about 1 for a new
        direction.

    References:
        | Dsilva et al. (2018), equations (11) to (13)
    """
    count = min(len(coordinates), REGRESSION_SAMPLES)
    spread_out = torch.arange(count, device=coordinates.device) * len(coordinates) // count
    phi = coordinates[coordinates[:, 0].argsort()[spread_out]].double()
    phi = phi - phi.mean(dim=0)
    later = (_residual(phi[:, :j], phi[:, j]) for j in range(1, phi.shape[1]))

    return torch.stack([torch.ones_like(phi[0, 0]), *later])


def _residual(known: Tensor, target: Tensor) -> Tensor:
    r"""RMS of what local linear functions of `known` `(n, j)` leave of `target` `(n,)`, over its RMS."""
    distance = torch.cdist(known, known)
    epsilon = BANDWIDTH_SHARE * distance[*torch.triu_indices(len(known), len(known), 1)].median()
    # Where most samples coincide, as in two clouds, the median is zero.
    epsilon = epsilon.clamp(min=CONSTANT_SPREAD * distance.amax().item())
    weight = torch.exp(-(distance / epsilon).square()).fill_diagonal_(0.0)
    design = torch.cat([torch.ones_like(known[:, :1]), known], dim=1)
    # Moments about the origin, shifted to each sample, so that no (n, n, j) differences are formed.
    products = (design[:, :, None] * design[:, None, :]).flatten(start_dim=1)
    gram = (weight @ products).unflatten(1, (design.shape[1],) * 2)
    right = weight @ (design * target[:, None])
    shift = torch.eye(design.shape[1], dtype=known.dtype, device=known.device).repeat(len(known), 1, 1)
    shift[:, 1:, 0] = -known
    gram, right = shift @ gram @ shift.mT, (shift @ right[:, :, None])[:, :, 0]
    ridge = REGRESSION_RIDGE * gram.diagonal(dim1=1, dim2=2).clamp(min=1e-30)
    found = torch.linalg.solve(gram + torch.diag_embed(ridge), right)[:, 0]

    return (found - target).norm() / target.norm()

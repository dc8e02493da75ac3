r"""Which coordinates are new and which repeat earlier ones, and how many dimensions the inputs have.

References:
    | Parsimonious representation of nonlinear dynamical systems through manifold learning: a chemotaxis case
    | study (Dsilva, Talmon, Coifman and Kevrekidis, 2018), https://doi.org/10.1016/j.acha.2015.06.008
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_number
from equiv.observe.frames import split_frames
from equiv.observe.observations import Observations

__all__ = ["Dimension", "Selection", "intrinsic_dimension", "select_coordinates"]


# Samples that the regression looks at: their distances are all formed.
SAMPLES = 1000

# A singular value this many times smaller than the one before it belongs to another scale.
GAP = 3.0


class Selection(NamedTuple):
    r"""Coordinates that are not harmonics of earlier ones.

    Attributes:
        indices: Of the coordinates kept, ascending, shape `(s,)`, int64.
        residuals: Of every coordinate, shape `(k,)`: about 0 for a function of earlier ones, 1 for a new
            direction.
    """

    indices: Tensor
    residuals: Tensor


def select_coordinates(coordinates: Any, threshold: float = 0.3) -> Selection:
    r"""Leaves out the harmonics among eigenfunctions.

    Each coordinate is predicted from all earlier ones by local linear regression, the sample itself left out,
    with weights :math:`\exp(-|\Delta|^2 / \epsilon^2)`, :math:`\epsilon` a third of the median distance; the
    residual is

    .. math:: r_k = \sqrt{\textstyle\sum_i (\phi_k(i) - \hat\phi_k(i))^2 / \sum_i \phi_k(i)^2}, \quad r_1 = 1.

    Arguments:
        coordinates: Eigenfunctions at samples, ascending in eigenvalue, shape `(n, k)`.
        threshold: Smallest residual of a coordinate that is kept, in `(0, 1)`.

    Raises:
        TypeError, ValueError: If the array has another shape or dtype, is not finite, holds fewer than
            k + 3 samples or a constant coordinate; if `threshold` is out of its range.

    References:
        | Dsilva et al. (2018), equations (11) to (13).
    """
    coordinates = as_floating(coordinates, "coordinates", "(n, k)", 2)
    check_finite(coordinates, "coordinates")
    threshold = check_number(threshold, "threshold", 0.0, 1.0)
    n, k = coordinates.shape
    spread = coordinates.std(dim=0)

    if n < k + 3:
        raise ValueError(
            f"'coordinates' should hold at least k + 3 = {k + 3} samples, got {n}; add samples or leave out "
            "coordinates."
        )

    if not (spread > 1e-12 * coordinates.abs().amax()).all():
        raise ValueError(
            "'coordinates' should hold functions that vary, got a constant one; leave the trivial one out."
        )

    kept = torch.arange(min(n, SAMPLES), device=coordinates.device) * n // min(n, SAMPLES)
    phi = coordinates[coordinates[:, 0].argsort()[kept]].double()
    phi = phi - phi.mean(dim=0)
    residuals = torch.stack(
        [torch.ones_like(phi[0, 0]), *(_regression_residual(phi[:, :j], phi[:, j]) for j in range(1, k))]
    )

    return Selection((residuals >= threshold).nonzero().flatten(), residuals)


def _regression_residual(known: Tensor, target: Tensor) -> Tensor:
    r"""RMS of what local linear functions of `known` `(n, j)` leave of `target` `(n,)`, over its RMS."""
    distance = torch.cdist(known, known)
    epsilon = distance[*torch.triu_indices(len(known), len(known), 1)].median() / 3
    weight = torch.exp(-(distance / epsilon).square()).fill_diagonal_(0.0)
    design = torch.cat([torch.ones_like(known[:, :1]), known], dim=1)
    # Moments about the origin, shifted to each sample, so that no (n, n, j) differences are formed.
    products = (design[:, :, None] * design[:, None, :]).flatten(start_dim=1)
    gram = (weight @ products).unflatten(1, (design.shape[1],) * 2)
    right = weight @ (design * target[:, None])
    shift = torch.eye(design.shape[1], dtype=known.dtype, device=known.device).repeat(len(known), 1, 1)
    shift[:, 1:, 0] = -known
    gram, right = shift @ gram @ shift.mT, (shift @ right[:, :, None])[:, :, 0]
    ridge = 1e-8 * gram.diagonal(dim1=1, dim2=2).clamp(min=1e-30)
    found = torch.linalg.solve(gram + torch.diag_embed(ridge), right)[:, 0]

    return (found - target).norm() / target.norm()


class Dimension(NamedTuple):
    r"""How many dimensions the inputs have, and why.

    Attributes:
        estimate: The dimension.
        shares: Share of the samples at which it came out as 0, 1, 2, ..., shape `(min(d, m) + 1,)`.
        spectrum: Geometric means over the samples of the frames' singular values, descending, shape
            `(min(d, m),)`, in activation units per input unit.
        gap: The spectrum's value at the estimate over the next one; infinite where none is left.
    """

    estimate: int
    shares: Tensor
    spectrum: Tensor
    gap: float


def intrinsic_dimension(observations: Observations) -> Dimension:
    r"""The dimension that the frames show.

    Exact frames have it as the rank that most of them share. Frames of bursts have noise and curvature in all
    directions that they can: there it is where the mean spectrum falls most, by a factor of at least 3.

    Arguments:
        observations: With frames.

    Raises:
        ValueError: If there are no frames, or all are zero.
    """
    if observations.frames is None:
        raise ValueError(
            "'observations' should have frames, whose rank is the dimension of the inputs, got None; "
            'probe with frames="jacobian", bursts or "neighbors".'
        )

    singular, rank = split_frames(observations.frames.double())[1:]
    widest = min(observations.frames.shape[1:])
    singular = singular[:, :widest]

    if not (rank > 0).any():
        raise ValueError(
            "'observations' should have frames that are not all zero, got only zeros; observe neurons that "
            "depend on the inputs."
        )

    floor = 1e-16 * singular.amax()
    spectrum = singular.clamp(min=floor).log().mean(dim=0).exp()

    if observations.burst_size is not None:
        falls = singular[:, :-1] / singular[:, 1:].clamp(min=floor)
        if falls.shape[1] > 0:
            largest, place = falls.max(dim=1)
            rank = torch.where(largest >= GAP, place + 1, rank)

    shares = torch.bincount(rank, minlength=widest + 1).double() / len(rank)
    estimate = int(shares[1:].argmax()) + 1
    gap = (spectrum[estimate - 1] / spectrum[estimate]).item() if estimate < widest else float("inf")

    return Dimension(estimate, shares, spectrum, gap)

r"""Leave-one-out errors of maps through coordinates of the target, and how far such maps trust the direct one."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from equiv.regression.both_sides import BothSides, LearnedSides
from equiv.regression.inverse_map import InverseMap
from equiv.regression.kernel_map import KernelMap

__all__ = ["best_trust", "errors_left_out"]

# Candidates for how far the direct map's prediction is trusted.
# [RMS slope of the source; chosen: from hardly to nearly alone, in steps of three, a half of which changes little]
TRUST_CANDIDATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

# Leaving a sample out is not linearised for so many, those with the largest errors.
# [samples; chosen: they rule the mean, and each costs a search]
REFITTED_SAMPLES = 100


def best_trust(map_: InverseMap, pairs: BothSides, learned: LearnedSides, predicted: Tensor) -> Tensor:
    r""":math:`\kappa` with the smallest linearised leave-one-out error, `()`.

    The error is :math:`e_t - J_t (J_s^\top J_s + \kappa^2 I)^{-1} (J_s^\top e_s + \kappa^2 (u_0 - u))`, of which no
    sample counts more than the mean would be off. Arguments as in `errors_left_out`.
    """
    shown, points = learned.shown, map_.coordinates[learned.shown]
    seen, unseen = pairs.units(learned.errors)
    off = map_.predicted(predicted[shown], shown) - points
    (_, source), (_, target) = (side.linearised(points, _axes(points)) for side in (map_.source, map_.target))
    gram, pulled = source.mT @ source, (source.mT @ seen[:, :, None])[:, :, 0]
    scale = gram.diagonal(dim1=1, dim2=2).mean()
    errors = []

    for share in TRUST_CANDIDATES:
        weight = share**2 * scale
        moved = torch.linalg.solve(gram + weight * _axes(points), (pulled + weight * off)[:, :, None])
        squared = (unseen - (target @ moved)[:, :, 0]).square().sum(dim=1) / pairs.spreads[1].square()
        errors.append(squared.clamp_max(1).mean())

    return TRUST_CANDIDATES[int(torch.stack(errors).argmin())] * scale.sqrt()


def errors_left_out(map_: InverseMap, pairs: BothSides, learned: LearnedSides, predicted: Tensor) -> Tensor:
    r"""Leave-one-out errors of a map through coordinates, `(n, d_b)`.

    Leaving sample i out changes :math:`F_s` and :math:`F_t` there by :math:`e_s` and :math:`e_t`, hence the
    prediction as in `best_trust` to first order. For the largest errors, which rule the mean, the coordinates are found
    again with the functions that did not see the sample. No search begins at the sample itself.

    Arguments:
        map_: The map.
        pairs: All pairs.
        learned: :math:`F_s` and :math:`F_t`.
        predicted: What the direct map makes of samples left out, `(n, d_b)`.
    """
    shown = learned.shown
    starts = map_.starts(pairs.source, predicted, torch.arange(len(predicted), device=predicted.device))
    points, found = map_.located(pairs.source, starts, map_.linearised)
    missed = pairs.target - torch.where(found[:, None], map_.target(points), predicted)
    seen, unseen = pairs.units(learned.errors)
    slopes = map_.target.linearised(points[shown], _axes(points[shown]))[1]
    change = unseen - (slopes @ map_.shift(points[shown], seen)[:, :, None])[:, :, 0]
    missed[shown] += torch.where(found[shown, None], change, 0)
    worst = missed[shown].square().sum(dim=1).topk(min(REFITTED_SAMPLES, len(shown))).indices
    few, each = shown[worst], torch.arange(len(worst), device=worst.device)
    shares, residues = learned.without(worst)
    of_source, of_target = pairs.units(residues)

    def unshown(side: KernelMap, residues: Tensor, at: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        (value, slopes), (share, steep) = (map_.linearised(at, _axes(at)) for map_ in (side, shares))
        own = torch.arange(len(at), device=at.device)
        share, steep = (part.unflatten(1, residues.shape[:2])[own, rows] for part in (share, steep))

        return (
            value - torch.einsum("qw,qwd->qd", share, residues[rows]),
            slopes - torch.einsum("qwm,qwd->qdm", steep, residues[rows]),
        )

    at, found = map_.located(pairs.source[few], starts[few], partial(unshown, map_.source, of_source))
    fitted = unshown(map_.target, of_target, at, each)[0].clamp(map_.target.low, map_.target.high)
    missed[few] = pairs.target[few] - torch.where(found[:, None], fitted, predicted[few])

    return missed


def _axes(points: Tensor) -> Tensor:
    r"""The coordinate axes at every point, `(q, m, m)`."""
    return torch.eye(points.shape[1], dtype=points.dtype, device=points.device).expand(len(points), -1, -1)

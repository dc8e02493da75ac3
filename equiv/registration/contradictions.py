r"""Anchors that no isometry fits: another geometry that all of them agree on, or wrong ones among them.

A stretched space carries anchors by an affine map as accurately as the charts are. Wrong anchors fit no map, and are
named: the spaces are then excluded by what they are without anchors, or not at all.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.lattice import minimum_image
from equiv.coordinates.motion import Motion
from equiv.registration.anchors import anchor_rank, explained_misfit, fit_projection, fit_rigid
from equiv.registration.result import Registration, Relation

__all__ = ["agree_on_strain", "contradicted"]


# An affine map explains anchors when worse ones would explain wrong anchors as well in fewer cases.
# [probability; chosen: the usual level of a test]
CHANCE_STRAIN = 0.01

# Anchors are wrong when they are off by more than the charts explain and so many times what outlines leave open.
# [standard deviations; chosen: one in a thousand right anchors of the plane is off by more]
LOOSE_DEVIATIONS = 3.0


def agree_on_strain(
    source: Domain, target: Domain, ends: tuple[Tensor, Tensor], motion: Motion, tolerance: float
) -> bool:
    r"""Whether all anchors agree on an affine map, and by more than chance on no isometry.

    An affine map is compared with the best isometry, which sloppy anchors fit as well, and with no map at all, which
    wrong anchors fit as well, by the ratio of what they leave (F-test). Along periods there are no affine maps.

    Arguments:
        source: Domain mapped from.
        target: Domain mapped to.
        ends: The anchors in both, `(k, m_source)` and `(k, m_target)`.
        motion: The isometry that fits all of them best.
        tolerance: A share of the target's spread.
    """
    from scipy.special import fdtrc

    a, b = ends
    explained = explained_misfit(source, target, tolerance)

    if target.periods is not None:
        axes = target.open_axes
        off = minimum_image(motion(a) - b, target.periods)

        if (off - off @ axes.T @ axes).norm(dim=1).max() > explained:
            return False

        a, b = a @ (axes @ motion.matrix).T, b @ axes.T

    k, m = b.shape
    design = torch.nn.functional.pad(a, (1, 0), value=1.0)
    left = m * (k - design.shape[1])

    if m == 0 or left <= 0 or anchor_rank(a) < a.shape[1]:
        return False

    missed = b - design @ torch.linalg.lstsq(design, b, driver="gelsd").solution

    if missed.norm(dim=1).max() > explained:
        return False

    if a.shape[1] == m:
        isometries = [fit_rigid(a, b, handedness, math.inf) for handedness in (1, -1)]
    else:
        isometries = [fit_projection(a, b, math.inf)]

    square = missed.square().sum().clamp_min(torch.finfo(b.dtype).eps ** 2 * target.spread**2).item()
    turns = m * (m - 1) // 2 + m * (a.shape[1] - m)
    simpler = (
        (min(fit.residuals.square().sum().item() for fit in isometries), m * a.shape[1] - turns),
        ((b - b.mean(dim=0)).square().sum().item(), m * a.shape[1]),
    )

    return all(
        fdtrc(more, left, (missed_more - square) / more / (square / left)) < CHANCE_STRAIN
        for missed_more, more in simpler
    )


def contradicted(
    source: Domain,
    target: Domain,
    ends: tuple[Tensor, Tensor],
    best: Motion,
    alone: Registration,
    tolerance: float,
) -> Registration:
    r"""What is left where no isometry fits anchors: what the spaces say without them, and which of them are wrong.

    Arguments:
        source: Domain mapped from.
        target: Domain mapped to.
        ends: The anchors in both, `(k, m_source)` and `(k, m_target)`.
        best: The isometry, or projection, that fits them best.
        alone: The registration without anchors.
        tolerance: A share of the target's spread.
    """
    if alone.relation is Relation.NONE:
        return alone

    motions = [best] if alone.motion is None else [alone.motion, *alone.alternatives]
    off = torch.stack(
        [minimum_image(motion(ends[0]) - ends[1], target.periods).norm(dim=1) for motion in motions]
    )
    wrong = off > explained_misfit(source, target, tolerance) + LOOSE_DEVIATIONS * _loose(alone, ends[0])
    rejected = tuple(wrong[wrong.sum(dim=1).argmin()].nonzero().flatten().tolist())
    reason = f"no isometry of the spaces fits the {len(ends[0])} anchors: {len(rejected)} contradict the best"

    return Registration(Relation.UNDECIDED, reason, rejected=rejected)


def _loose(alone: Registration, points: Tensor) -> Tensor:
    r"""Standard deviation of the images of points `(k, m)`, where outlines fix a motion: shape `(k,)`."""
    if alone.freedom is None:
        return torch.zeros(len(points), dtype=points.dtype)

    fields = alone.freedom.generators.at(points)

    return torch.einsum("kmr,rs,kms->k", fields, alone.freedom.covariance, fields).clamp_min(0).sqrt()

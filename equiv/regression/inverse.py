r"""Learns a map as the inverse of the other direction, in coordinates of its target.

Where the source squeezes the target in some directions, as a shear does, few samples show the steep slopes that a
direct map needs. Functions of the target's own coordinates have none, and the one that gives the source is inverted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from equiv.coordinates.smooth_fit import farthest_points
from equiv.regression.hermite import Settings, kernel_map, learn, search
from equiv.regression.inverse_map import InverseMap
from equiv.regression.kernel_map import Fit, KernelMap, typical_radius
from equiv.regression.leave_one_out import Solution
from equiv.regression.pair_data import PairData, standardise

__all__ = ["fit_inverse"]

WORTHWHILE_ERRORS = (0.01, 0.2)  # relative errors of a direct map that is worth it, and shows where to begin
MAX_INVERTED_SAMPLES = 5000  # more take too long
MAX_INVERTED_DIMENSION = 3  # likewise
MAX_INVERTED_NEURONS = 512  # of both sides together, likewise
MAX_ERROR_RATIO = 0.5  # largest mean square error that is clearly better, over the direct map's
SMOOTHED_SAMPLES = 600  # samples that show smooth coordinates
TRUST_CANDIDATES = (
    0.001,
    0.003,
    0.01,
    0.03,
    0.1,
    0.3,
    1.0,
    3.0,
)  # candidates, over the RMS slope of the source
CHOICE_SLACK = (0.8, 1.5)  # held-out errors are those of two maps, learned and chosen by the same samples
REFITTED_SAMPLES = 100  # samples with the largest errors whose leaving out is not linearised


def fit_inverse(
    direct: Fit,
    source: Tensor,
    target: Tensor,
    source_frames: Tensor,
    target_frames: Tensor,
    coordinates: Tensor,
    seed: int = 0,
) -> Fit:
    r"""The map through coordinates of the target where its leave-one-out error is clearly below the direct map's.

    Any smooth function of the target that is one to one is as good a coordinate as another, and its derivatives along
    the frames are exact. It is learned from integrated coordinates, whose own errors thus do not matter.

    Arguments:
        direct: The direct map.
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`.
        target_frames: B's frames along the same directions, `(n, d_b, m)`.
        coordinates: Coordinates of B's samples, `(n, m)`, such that steps along the frames are steps of theirs.
        seed: Seeds the choice of directions and of subsamples.

    Returns:
        The fit through coordinates, or `direct`.
    """
    low, high = WORTHWHILE_ERRORS

    if direct.missed is None or not isinstance(direct.map, KernelMap):
        return direct

    n, m = coordinates.shape
    neurons = source.shape[1] + target.shape[1]
    small = n <= MAX_INVERTED_SAMPLES and m <= MAX_INVERTED_DIMENSION and neurons <= MAX_INVERTED_NEURONS

    if not (small and low < direct.squared.mean().sqrt() < high):
        return direct

    pairs = _Pairs(source.double(), target.double(), source_frames.double(), target_frames.double())
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(source), generator=generator).to(source.device)
    smooth = _smooth(pairs, coordinates, generator)

    if smooth is None:
        return direct

    points, turns = smooth
    joint, frames = pairs.joint
    data = standardise(points, joint, turns, frames, generator)
    found = learn(data, search(data, order), order)

    if found is None:
        return direct

    part, settings, solution, _ = found
    learned = _Learned(part, settings, solution, order[: len(part)])
    to_source, to_target = pairs.apart(kernel_map(part, settings, solution.coefficients))
    map_ = InverseMap(
        direct.map,
        to_source,
        to_target,
        points,
        pairs.source,
        pairs.target,
        turns @ torch.linalg.pinv(pairs.target_frames),
        typical_radius(points),
        pairs.spreads[0],
        torch.ones_like(pairs.spreads[0]),
    )
    predicted = pairs.target - direct.missed
    map_.trust = _trust(map_, pairs, learned, predicted)
    missed = _left_out(map_, pairs, learned, predicted)
    squared = missed.square().sum(dim=1) / pairs.spreads[1].square()

    if not _clearly_better(squared, direct.squared):
        return direct

    description = f"inverse of a {settings.kind} kernel in coordinates of the target; {direct.description}"

    return replace(
        direct, map=map_, squared=squared, description=description, missed=missed, slack=CHOICE_SLACK
    )


def _clearly_better(squared: Tensor, direct: Tensor) -> bool:
    r"""Whether errors are smaller, and clearly so where none counts more than the mean would be off."""
    capped = squared.clamp_max(1).mean() < MAX_ERROR_RATIO * direct.clamp_max(1).mean()

    return bool(capped and squared.mean() < direct.mean())


@dataclass(frozen=True)
class _Pairs:
    r"""Activations `(n, d_a)` and `(n, d_b)` and frames `(n, d_a, m)` and `(n, d_b, m)`, in float64."""

    source: Tensor
    target: Tensor
    source_frames: Tensor
    target_frames: Tensor

    @property
    def spreads(self) -> list[Tensor]:
        r"""RMS distances of both sides from their means."""
        sides = (self.source, self.target)

        return [(side - side.mean(dim=0)).square().sum(dim=1).mean().sqrt() for side in sides]

    def units(self, joint: Tensor) -> tuple[Tensor, Tensor]:
        r"""Numbers of both sides beside each other, `(..., d_a + d_b)`, as those of each, in its own units."""
        a, b = joint.split([self.source.shape[1], self.target.shape[1]], dim=-1)

        return a * self.spreads[0], b * self.spreads[1]

    @property
    def joint(self) -> tuple[Tensor, Tensor]:
        r"""Both sides beside each other, each over its spread: values `(n, d_a + d_b)`, and frames."""
        a, b = self.spreads

        return (
            torch.cat([self.source / a, self.target / b], dim=1),
            torch.cat([self.source_frames / a, self.target_frames / b], dim=1),
        )

    def apart(self, joint: KernelMap) -> list[KernelMap]:
        r"""The map to both sides as one to each, in the units of the activations."""
        columns = (slice(0, self.source.shape[1]), slice(self.source.shape[1], None))

        return [
            KernelMap(
                joint.kind,
                joint.center,
                joint.metric,
                spread * joint.offset[side],
                spread * joint.weight[:, side],
                joint.points,
                joint.directions,
                spread * joint.coefficients[:, :, side],
                spread * joint.low[side],
                spread * joint.high[side],
                joint.samples,
                joint.radius,
            )
            for spread, side in zip(self.spreads, columns, strict=True)
        ]


@dataclass(frozen=True)
class _Learned:
    r"""Both sides as functions of coordinates.

    Attributes:
        part: What they were learned from.
        settings: Of the kernel.
        solution: Coefficients, and errors of samples left out.
        shown: Which samples these are, `(l,)`.
    """

    part: PairData
    settings: Settings
    solution: Solution
    shown: Tensor

    @property
    def errors(self) -> Tensor:
        r"""Leave-one-out errors of both sides, `(l, d_a + d_b)`, over their spreads."""
        return self.solution.errors * self.part.spread

    def without(self, samples: Tensor) -> tuple[KernelMap, Tensor]:
        r"""What the functions owe to single samples, as a map to `(s * width,)` shares, each times its residue.

        Residues of the samples `(s,)` have shape `(s, width, d_a + d_b)`, over the spreads.
        """
        columns, residues = self.solution.shares(samples)
        blank = self.part.target.new_zeros(len(self.part), columns[0].numel())
        unit = replace(self.part, target=blank, middle=blank[0], spread=torch.ones_like(self.part.spread))

        return kernel_map(unit, self.settings, columns.flatten(1)), residues * self.part.spread


def _smooth(pairs: _Pairs, coordinates: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor] | None:
    r"""Smooth functions of the target near the coordinates, `(n, m)`, and their derivatives along the frames.

    None where they fold: where some derivatives `(m, m)` do not keep the orientation.
    """
    n, m = coordinates.shape
    identity = torch.eye(m, dtype=torch.float64, device=coordinates.device).expand(n, m, m)
    data = standardise(pairs.target, coordinates, pairs.target_frames, identity, generator)
    # The outermost are among them: functions that did not see these would fold there.
    few = data.subset(farthest_points(coordinates, SMOOTHED_SAMPLES).to(coordinates.device), m)
    all_of_them = torch.arange(len(few), device=coordinates.device)
    learned = learn(few, search(few, all_of_them), all_of_them)

    if learned is None:
        return None

    part, settings, solution, _ = learned
    smooth = kernel_map(part, settings, solution.coefficients)
    points, turns = smooth.linearised(pairs.target, pairs.target_frames)

    return (points, turns) if (torch.linalg.det(turns) > 0).all() else None


def _trust(map_: InverseMap, pairs: _Pairs, learned: _Learned, predicted: Tensor) -> Tensor:
    r""":math:`\kappa` with the smallest linearised leave-one-out error, `()`.

    The error is :math:`e_t - J_t (J_s^\top J_s + \kappa^2 I)^{-1} (J_s^\top e_s + \kappa^2 (u_0 - u))`, of which no
    sample counts more than the mean would be off. Arguments as in `_left_out`.
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


def _left_out(map_: InverseMap, pairs: _Pairs, learned: _Learned, predicted: Tensor) -> Tensor:
    r"""Leave-one-out errors of a map through coordinates, `(n, d_b)`.

    Leaving sample i out changes :math:`F_s` and :math:`F_t` there by :math:`e_s` and :math:`e_t`, hence the
    prediction as in `_trust` to first order. For the largest errors, which rule the mean, the coordinates are found
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

r"""Angles on the circle of hidden states: fixed by anchors alone, and by the kernel that knows no metric."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import equiv

__all__ = ["AngleMap", "euclidean_angle_errors", "evenly", "wrapped"]

#: Bandwidths tried, as multiples of the median squared distance to the seventh neighbour.
EPSILONS = tuple(2.0**k for k in range(-3, 7))


def wrapped(angle: Tensor) -> Tensor:
    r"""The angle in [-pi, pi) that differs from it by full turns, radians."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def evenly(angles: Tensor, count: int) -> Tensor:
    r"""Indices of the angles next to so many evenly spaced ones, ascending."""
    marks = (torch.arange(count) + 0.5) * (2 * math.pi / count)

    return wrapped(angles - marks[:, None]).abs().argmin(dim=1)


class AngleMap(NamedTuple):
    r"""The map :math:`\theta \mapsto \sigma \theta + \tau` of angles, :math:`\sigma = \pm 1`."""

    sign: float
    shift: float

    @classmethod
    def through(cls, source: Tensor, target: Tensor) -> "AngleMap":
        r"""The one of least mean squared chord from `source` to `target`, shape `(k,)`, radians, k >= 2."""
        phasors = {sign: torch.exp(1j * (target - sign * source)).mean() for sign in (1.0, -1.0)}
        sign = max(phasors, key=lambda each: float(phasors[each].abs()))

        return cls(sign, float(phasors[sign].angle()))

    def __call__(self, angle: Tensor) -> Tensor:
        r"""The image of angles, in [-pi, pi)."""
        return wrapped(self.sign * angle + self.shift)


def euclidean_angle_errors(
    probes: Sequence[Tensor], held_out: Sequence[Tensor], anchors: Tensor
) -> tuple[Tensor, float] | None:
    r"""The baseline: angles from activations without frames, by diffusion maps with a Euclidean kernel.

    Each side's angle is that of its two leading eigenfunctions; the anchors alone fix how A's and B's angles
    correspond. The bandwidths of both sides are those with the least median error on the held-out samples
    themselves: a choice in the baseline's favour that no one could make without knowing the truth.

    Arguments:
        probes: A's and B's activations, shapes `(n_a, d_a)` and `(n_b, d_b)`.
        held_out: Their activations at the same fresh hidden states, shapes `(q, d_a)` and `(q, d_b)`.
        anchors: Rows of both that show the same hidden state, `(k, 2)`.

    Returns:
        The errors, shape `(q,)`, radians in [-pi, pi), and their median size; None if no bandwidth gave
        coordinates.
    """
    if len(anchors) < 2:
        return None

    angles = [_angles(*side) for side in zip(probes, held_out, strict=True)]
    best = None

    for probe_a, fresh_a in angles[0]:
        for probe_b, fresh_b in angles[1]:
            there = AngleMap.through(probe_a[anchors[:, 0]], probe_b[anchors[:, 1]])
            errors = wrapped(there(fresh_a) - fresh_b)
            median = float(errors.abs().median())

            if best is None or median < best[1]:
                best = errors, median

    return best


def _angles(probe: Tensor, held_out: Tensor) -> list[tuple[Tensor, Tensor]]:
    r"""The angles of both sets of activations at every bandwidth at which the kernel is connected."""
    observations = equiv.Observations(probe.double())
    spacing = torch.cdist(observations.values, observations.values).square().kthvalue(8).values.median()
    found = []

    for factor in EPSILONS:
        maps = equiv.DiffusionMaps(n_coordinates=2, epsilon=factor * float(spacing))

        try:
            known = maps.fit(observations).coordinates_
        except ValueError:
            continue

        fresh = maps.transform(held_out.double())
        found.append((torch.atan2(known[:, 1], known[:, 0]), torch.atan2(fresh[:, 1], fresh[:, 0])))

    return found

r"""Two angles on the torus of hidden states: fixed by anchors alone, and by the kernel that knows no metric."""

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import torch
from torch import Tensor

import equiv
from equiv.coordinates.lattice import lattice_embeddings
from lightning_modules.circle import EPSILONS, AngleMap, wrapped

__all__ = ["TorusMap", "euclidean_torus_errors"]

#: Periods of a chart may differ by this share of their length from those of the hidden torus.
STRAIN = 0.1
#: Eigenfunctions among which the baseline looks for two that go round with an angle.
EIGENFUNCTIONS = 8


class TorusMap(NamedTuple):
    r"""The map of coordinates to two angles, :math:`\alpha = (M u) / \ell + c`.

    Attributes:
        matrix: M, which carries the periods of the coordinates to those of the torus, `(2, 2)`.
        offset: c, `(2,)`, in radians.
        lengths: How long a radian of each angle is, `(2,)`.
    """

    matrix: Tensor
    offset: Tensor
    lengths: Tensor

    @classmethod
    def through(
        cls, coordinates: Tensor, angles: Tensor, periods: Tensor, lengths: Tensor
    ) -> "TorusMap | None":
        r"""The isometry that carries anchors best to their angles; None where the tori are not isometric.

        Arguments:
            coordinates: Of the anchors, `(k, 2)`, k >= 2.
            angles: Of the anchors, `(k, 2)`, radians.
            periods: Of the coordinates, `(2, 2)`.
            lengths: How long a radian of each angle is, `(2,)`.
        """
        best = None

        for each in lattice_embeddings(periods, 2 * math.pi * lengths.diag(), STRAIN):
            if each.sheets != 1:
                continue

            phasors = torch.exp(1j * (angles - coordinates @ each.matrix.T / lengths)).mean(dim=0)
            agreement = float(phasors.abs().sum())

            if best is None or agreement > best[0]:
                best = agreement, cls(each.matrix, phasors.angle(), lengths)

        return None if best is None else best[1]

    def __call__(self, coordinates: Tensor) -> Tensor:
        r"""The angles at coordinates `(q, 2)`, in [-pi, pi)."""
        return wrapped(coordinates @ self.matrix.T / self.lengths + self.offset)


def euclidean_torus_errors(
    probes: Sequence[Tensor],
    held_out: Sequence[Tensor],
    anchors: Tensor,
    known: Tensor,
    hidden: Tensor,
) -> Tensor | None:
    r"""The baseline: both angles from activations without frames, by diffusion maps with a Euclidean kernel.

    Each angle is that of two of the leading eigenfunctions; the anchors fix where it begins and which way it goes.
    Bandwidth and eigenfunctions are, for each angle and side, those with the least median error on the held-out
    samples themselves: a choice in the baseline's favour that no one could make without knowing the truth.

    Arguments:
        probes: A's and B's activations, shapes `(n_a, d_a)` and `(n_b, d_b)`.
        held_out: Their activations at the same fresh hidden states, shapes `(q, d_a)` and `(q, d_b)`.
        anchors: Rows of both that show the same hidden state, `(k, 2)`.
        known: The anchors' angles, `(k, 2)`, radians.
        hidden: The held-out angles, `(q, 2)`, radians.

    Returns:
        By how much the angles read off A and off B differ, `(q, 2)`, radians; None if no bandwidth gave coordinates.
    """
    if len(anchors) < 2:
        return None

    read = [
        _best_angles(probe, fresh, rows, known, hidden)
        for probe, fresh, rows in zip(probes, held_out, anchors.unbind(dim=1), strict=True)
    ]

    return None if read[0] is None or read[1] is None else wrapped(read[0] - read[1])


def _best_angles(
    probe: Tensor, held_out: Tensor, rows: Tensor, known: Tensor, hidden: Tensor
) -> Tensor | None:
    r"""Of one side both angles at the held-out samples, `(q, 2)`."""
    observations = equiv.Observations(probe.double())
    spacing = torch.cdist(observations.values, observations.values).square().kthvalue(8).values.median()
    best: dict[int, tuple[float, Tensor]] = {}

    for factor in EPSILONS[1::2]:
        maps = equiv.DiffusionMaps(n_coordinates=EIGENFUNCTIONS, epsilon=factor * float(spacing))

        try:
            at_anchors = maps.fit(observations).coordinates_[rows]
        except ValueError:
            continue

        fresh = maps.transform(held_out.double())

        for (one, other), axis in product(combinations(range(EIGENFUNCTIONS), 2), range(2)):
            seen = torch.atan2(at_anchors[:, other], at_anchors[:, one])
            angle = torch.atan2(fresh[:, other], fresh[:, one])
            recovered = AngleMap.through(seen, known[:, axis])(angle)
            error = float(wrapped(recovered - hidden[:, axis]).abs().median())

            if axis not in best or error < best[axis][0]:
                best[axis] = error, recovered

    return torch.stack([best[axis][1] for axis in range(2)], dim=1) if best else None

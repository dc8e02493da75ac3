r"""Motions of coordinates, :math:`u \mapsto Q u + t`, and those that best carry points to points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Motion", "rigid_fit", "rotation_grid", "skew_matrix"]


# Turns of the plane in a grid of its rotations.
# [rotations; derived: 9 degrees apart, none is farther from its nearest than 4.5]
TURNS_OF_THE_PLANE = 40

# Random orthogonal matrices in a grid of those of space, each with its negative.
# [rotations; chosen: about 20 degrees from any to its nearest, near enough for fits that go on from the best]
TURNS_OF_SPACE = 600


@dataclass(frozen=True)
class Motion:
    r"""An affine map of coordinates, :math:`g(u) = Q u + t`.

    Attributes:
        matrix: Q, shape `(m_target, m_source)`.
        offset: t, shape `(m_target,)`, in input units.
    """

    matrix: Tensor
    offset: Tensor

    def __call__(self, coordinates: Tensor) -> Tensor:
        return coordinates @ self.matrix.T + self.offset

    @property
    def inverse(self) -> Motion:
        r"""The motion back, for a square Q."""
        back = torch.linalg.inv(self.matrix)

        return Motion(back, -back @ self.offset)


def rigid_fit(source: Tensor, target: Tensor, handedness: int) -> Motion:
    r"""The rigid motion of given handedness that best carries one set of points to another.

    .. math:: \min_{Q \in O(m),\ \det Q = h} \sum_k \lvert Q a_k + t - b_k \rvert^2

    Arguments:
        source: Points :math:`a_k`, shape `(k, m)`.
        target: Points :math:`b_k`, shape `(k, m)`.
        handedness: h, 1 or -1.

    References:
        | A generalized solution of the orthogonal Procrustes problem (Schönemann, 1966)
        | https://doi.org/10.1007/BF02289451
        | Least-squares estimation of transformation parameters between two point patterns (Umeyama, 1991)
        | https://doi.org/10.1109/34.88573
    """
    a, b = source.mean(dim=0), target.mean(dim=0)
    left, _, right = torch.linalg.svd((target - b).T @ (source - a))
    signs = torch.ones(len(left), dtype=left.dtype)
    signs[-1] = handedness * torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    matrix = (left * signs) @ right

    return Motion(matrix, b - matrix @ a)


def skew_matrix(m: int, i: int, j: int) -> Tensor:
    r"""The skew matrix that turns axis i towards axis j."""
    skew = torch.zeros(m, m, dtype=torch.float64)
    skew[i, j], skew[j, i] = -1.0, 1.0

    return skew


def rotation_grid(m: int) -> list[Tensor]:
    r"""Elements of O(m), m at most 3, with one within about 5 (m = 2) or 20 degrees (m = 3) of any."""
    identity = torch.eye(m, dtype=torch.float64)

    if m == 1:
        return [identity, -identity]

    if m == 2:
        mirror = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
        turns = [
            torch.linalg.matrix_exp(2 * math.pi * step / TURNS_OF_THE_PLANE * skew_matrix(2, 0, 1))
            for step in range(TURNS_OF_THE_PLANE)
        ]

        return [turn @ flip for turn in turns for flip in (identity, mirror)]

    generator = torch.Generator().manual_seed(0)
    drawn = torch.linalg.qr(torch.randn(TURNS_OF_SPACE, m, m, generator=generator, dtype=torch.float64))[0]

    return [sign * matrix for matrix in drawn for sign in (1.0, -1.0)]

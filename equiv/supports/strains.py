r"""The strains between two supports that anchors leave open, fitted beside the motion from the outlines.

Anchors in a line, a plane or a point agree with a rigid motion whatever strain is across. So the outlines, and anchors
beside them, are fitted by affine maps: what these are off the motion by, and leave undetermined, may be its error.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from equiv.coordinates.motion import Motion, skew_matrix
from equiv.supports.outline_fit import (
    END_LOOSENESS,
    OUTLINE_LOOSENESS,
    SMALLEST_GAP,
    Anchors,
    middle_of,
    outline_gaps,
)
from equiv.supports.support import Outline, outline

__all__ = ["AffineFreedom", "Generators", "covariance_of", "extrapolation", "fit_strains"]


# Gauss-Newton steps at most.
# [steps; chosen: a trade of time, ends fits that do not settle]
STEPS = 20

# A step of which no parameter is larger is the last.
# [input units, radians and shares; chosen: far below what samples show]
SETTLED = 1e-7

# No step turns or strains by more.
# [radians and shares; chosen: about as far as linearised gaps hold]
LARGEST_STEP = 0.2

# Directions of an affine map that neither outlines nor anchors fix to so many spreads are not fixed at all.
# [spreads; chosen: far above what any tolerance admits]
UNFIXED = 10.0


class Generators(NamedTuple):
    r"""Velocities of affine maps, :math:`u \mapsto G_r (u - c) + s_r`.

    Attributes:
        linear: G, shape `(r, p, m)`.
        shifts: s, shape `(r, p)`.
        middle: c, shape `(m,)`.
    """

    linear: Tensor
    shifts: Tensor
    middle: Tensor

    def at(self, points: Tensor) -> Tensor:
        r"""The velocities at points `(n, m)`: shape `(n, p, r)`."""
        return torch.einsum("rij,nj->nir", self.linear, points - self.middle) + self.shifts.T

    def combined(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        r"""The affine velocity with such parameters, `(r,)`: its linear part and its shift."""
        return torch.einsum("r,rij->ij", parameters, self.linear), parameters @ self.shifts


@dataclass(frozen=True)
class AffineFreedom:
    r"""How far a motion may be off the true map, an affine one: a Gaussian over displacements of its images.

    Attributes:
        generators: Displacements in the target of points of the source.
        mean: What the affine fit differs from the motion by, shape `(r,)`.
        covariance: Of that, shape `(r, r)`; infinite where nothing fixes it.
    """

    generators: Generators
    mean: Tensor
    covariance: Tensor

    @property
    def fixed(self) -> bool:
        r"""Whether outlines and anchors fix all of the map."""
        return bool(self.covariance.isfinite().all())

    def inverse(self, motion: Motion) -> AffineFreedom:
        r"""The same of the motion back: displacements in the source of points of the target."""
        linear, shifts, middle = self.generators
        back = motion.matrix.T

        return replace(
            self, generators=Generators(back @ linear @ back, shifts @ motion.matrix, motion(middle))
        )

    def along(self, source: Tensor, target: Tensor) -> AffineFreedom:
        r"""The same in more dimensions, of which these are some: orthonormal rows, `(q, m)` each."""
        linear, shifts, middle = self.generators

        return replace(
            self, generators=Generators(target.T @ linear @ source, shifts @ target, middle @ source)
        )

    def strain(self, motion: Motion, spread: Tensor) -> tuple[float, float]:
        r"""RMS displacement by the strain that was found, which no motion takes back, and its standard deviation.

        Arguments:
            motion: From source to target.
            spread: Covariance of the target's coordinates, shape `(p, p)`.
        """
        linear = self.generators.linear @ motion.matrix.T
        symmetric = (linear + linear.mT) / 2
        gram = torch.einsum("rij,jk,sik->rs", symmetric, spread, symmetric)
        size = (self.mean @ gram @ self.mean).clamp_min(0).sqrt().item()
        slope = gram @ self.mean / max(size, 1e-300)

        return size, (slope @ self.covariance @ slope).clamp_min(0).sqrt().item()


def extrapolation(anchors: Tensor, points: Tensor) -> float:
    r"""RMS error at points of an affine map fitted to anchors, over that of each coordinate of these.

    Arguments:
        anchors: Shape `(k, m)`, in input units.
        points: Shape `(n, m)`.

    Returns:
        Infinite where the anchors are too few, or in a plane.
    """
    design, there = (
        torch.nn.functional.pad(each - points.mean(dim=0), (1, 0), value=1.0) for each in (anchors, points)
    )

    if torch.linalg.matrix_rank(design) < design.shape[1]:
        return math.inf

    return math.sqrt(points.shape[1] * (there @ torch.linalg.pinv(design)).square().sum(dim=1).mean().item())


def fit_strains(
    a: Tensor,
    b: Tensor,
    motion: Motion,
    anchors: Anchors,
    anchor_error: float,
    *,
    outlined: bool = True,
    turns: Tensor | None = None,
) -> AffineFreedom:
    r"""Fits an affine map to outlines and anchors, from a motion, and says how far that may be off.

    Arguments:
        a: Samples of A, shape `(n_a, m)`, in input units.
        b: Samples of B, shape `(n_b, m)`.
        motion: From A to B, nearly right, with an orthogonal matrix.
        anchors: Points of A and of B, each `(k, m)`, that correspond.
        anchor_error: Standard deviation of the anchors' distances, per coordinate, in input units.
        outlined: Whether the outlines are made use of; m at most 4 then.
        turns: Combinations of the turns of `itertools.combinations(range(m), 2)` that are fitted, shape `(s, t)`; None
            for all.
    """
    generators = _generators(middle_of(b), turns)
    outlines = (outline(a), outline(b)) if outlined else None
    matrix, offset = motion.matrix, motion.offset

    for _ in range(STEPS):
        design, defect, _ = _equations(outlines, matrix, offset, generators, anchors, anchor_error, power=1.0)
        change = torch.linalg.lstsq(design, -defect[:, None], driver="gelsd").solution[:, 0]
        change[len(offset) :] = change[len(offset) :].clamp(-LARGEST_STEP, LARGEST_STEP)
        linear, shift = generators.combined(change)
        growth = torch.linalg.matrix_exp(linear)
        matrix, offset = growth @ matrix, growth @ (offset - generators.middle) + generators.middle + shift

        if change.abs().max() < SETTLED:
            break

    _, _, information = _equations(outlines, matrix, offset, generators, anchors, anchor_error, power=2.0)
    off = (motion(a) - (a @ matrix.T + offset)).reshape(-1, 1)
    mean = torch.linalg.lstsq(generators.at(motion(a)).flatten(0, 1), off, driver="gelsd").solution[:, 0]
    linear, shifts, middle = generators
    carried = Generators(linear @ motion.matrix, shifts, motion.inverse(middle))

    return AffineFreedom(carried, mean, covariance_of(information, generators.at(b)))


def covariance_of(information: Tensor, fields: Tensor) -> Tensor:
    r"""The inverse of the information, infinite where it leaves displacements of many spreads open."""
    gram = torch.einsum("nir,nis->rs", fields, fields) / len(fields)
    root = torch.linalg.cholesky(gram)
    # In directions of unit RMS displacement.
    least = torch.linalg.eigvalsh(torch.linalg.solve(root, torch.linalg.solve(root, information).T))[0].item()
    spread = gram.diagonal().max().sqrt().item()

    if least <= (UNFIXED * spread) ** -2:
        return torch.full_like(information, torch.inf)

    return torch.linalg.pinv(information, hermitian=True)


def _generators(middle: Tensor, turns: Tensor | None) -> Generators:
    m = len(middle)
    skew = [skew_matrix(m, i, j) for i, j in itertools.combinations(range(m), 2)]
    rotations = torch.stack(skew) if skew else torch.zeros(0, m, m, dtype=torch.float64)

    if turns is not None:
        rotations = torch.einsum("st,sij->tij", turns, rotations)

    strains = torch.zeros(m * (m + 1) // 2, m, m, dtype=torch.float64)

    for number, (i, j) in enumerate(itertools.combinations_with_replacement(range(m), 2)):
        strains[number, i, j] = strains[number, j, i] = 1.0 if i == j else 0.5

    linear = torch.cat([torch.zeros(m, m, m, dtype=torch.float64), rotations, strains])
    shifts = torch.zeros(len(linear), m, dtype=torch.float64)
    shifts[:m] = torch.eye(m, dtype=torch.float64)

    return Generators(linear, shifts, middle)


def _equations(
    outlines: tuple[Outline, Outline] | None,
    matrix: Tensor,
    offset: Tensor,
    generators: Generators,
    anchors: Anchors,
    anchor_error: float,
    power: float,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Linearised gaps and misfits of anchors, these themselves, both over their standard deviations, for least
    powers; and the information of the former."""
    rows, gaps = [], []

    if outlines is not None:
        a, b = outlines
        m = len(offset)
        looseness = OUTLINE_LOOSENESS if m > 1 else END_LOOSENESS
        normals = a.normals @ torch.linalg.inv(matrix)
        moved = replace(
            a, points=a.points @ matrix.T + offset, normals=normals / normals.norm(dim=1, keepdim=True)
        )
        still = torch.eye(m, dtype=torch.float64), torch.zeros(m, dtype=torch.float64)
        # Points of outlines are as many as one likes, samples on them are not.
        share = (len(a.points) + len(b.points)) / (a.samples + b.samples)

        for _, gap, normal, at, scale in outline_gaps(moved, b, *still):
            weight = (gap / scale).abs().clamp_min(SMALLEST_GAP) ** (power / 2 - 1)
            weight = weight / (scale * looseness * math.sqrt(share))
            rows.append(torch.einsum("ni,nir->nr", normal, generators.at(at)) * weight[:, None])
            gaps.append(gap * weight)

    if anchors is not None:
        ends = anchors[0] @ matrix.T + offset
        rows.append(generators.at(ends).flatten(0, 1) / anchor_error)
        gaps.append((ends - anchors[1]).reshape(-1) / anchor_error)

    design = torch.cat(rows)

    return design, torch.cat(gaps), design.T @ design

r"""A smooth map through the images, whose strain is taken away.

Local fits tell the ways between images a little wrong, each for itself. A smooth map T through all images averages
that, and its derivative says at every sample by how much lengths differ, with no neighbour in between:
:math:`DT J_i = F_i Q_i S_i` with F orthonormal on B's space, Q orthogonal and S symmetric. The same linear system as
before takes the strain :math:`S - 1` away, a deferred correction.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.isometry.local_metric import pseudo_inverse
from equiv.isometry.side import CurvedSide
from equiv.isometry.solve import Isometry, System, moved, ways_to_anchors
from equiv.isometry.starts import Start
from equiv.probing.pushforward import derivatives_along
from equiv.regression.hermite import fit_map

__all__ = ["without_strain"]

# Corrections, each by a smooth map anew.
# [corrections; measured: on SO(3) the first takes 1.3 % of error to 1.0, the second to 0.8, others change nothing]
CORRECTIONS = 2

# Larger strains are taken for this.
# [dimensionless; chosen: at most samples they are a hundredth, and where they are larger the fit fails]
LARGEST_STRAIN = 0.3


def without_strain(a: CurvedSide, b: CurvedSide, found: Isometry, anchors: Tensor) -> tuple[Start, Tensor]:
    r"""Images of A's samples and their frames, corrected, and the samples that they are to be trusted at, `(n,)`.

    Arguments:
        a: Side A.
        b: Side B.
        found: The map from A to B.
        anchors: Pairs of sample indices, `(k, 2)`.
    """
    kept = found.placed if bool(found.placed.any()) else torch.ones_like(found.placed)
    system, images = System(a, anchors), Start(found.images, found.frames)

    for _ in range(CORRECTIONS):
        smooth = fit_map(a.values[kept], images.images[kept], a.frames[kept], images.frames[kept]).map
        images, strain = _stretched(b, smooth(a.values), derivatives_along(smooth, a.values, a.frames))
        carried = a.transports @ strain[a.j] @ a.transports.mT
        residual = ((strain[a.i] + carried) @ a.ways[:, :, None])[:, :, 0] / 2
        images = moved(b, images, *system.step(residual, ways_to_anchors(b, images, anchors)))

    return images, kept


def _stretched(b: CurvedSide, values: Tensor, slopes: Tensor) -> tuple[Start, Tensor]:
    r"""The points of B nearest to values `(n, d)` with the frames nearest to slopes `(n, d, m)`, and their strain."""
    images, there = b.charts.at(values)
    left, stretch, right = torch.linalg.svd(pseudo_inverse(there) @ slopes)
    strain = (stretch - 1).clamp(-LARGEST_STRAIN, LARGEST_STRAIN)

    return Start(images, there @ left @ right), right.mT @ (strain[:, :, None] * right)

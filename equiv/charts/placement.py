r"""How well a network places its samples: what tells the parts that a chart has to leave out.

Where frames are nearly singular, or samples too few for what bends, a sample may be moved far without that its values
show it. The lift, learned without the sample, misses its value by :math:`r_i`, and

.. math:: |(D\,J_i)^+ r_i|

is how far from its place the value says that it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.flattening.cloud import Cloud
from equiv.flattening.integrate import Integration

__all__ = ["placement"]

# Samples of like values that tell together how well one is placed.
# [samples; chosen: of a fifth that are misplaced two are among them, and neighbours of one stay]
ALIKE = 12


def placement(found: Integration, cloud: Cloud) -> Tensor:
    r"""How far off each sample is put, and RMS those of like values, `(n, 2)`, over the coordinates' spread.

    Of the latter the farthest does not count: one that is lost says nothing of those around it.

    Arguments:
        found: Coordinates, frames and lift.
        cloud: The samples that they are of.
    """
    from scipy.spatial import KDTree

    n, coordinates, missed = len(cloud), found.solution.coordinates, found.lift.missed
    rows = torch.arange(0, n, -(-n // len(missed)))  # of many samples every so many are left out in turn
    spread = (coordinates - coordinates.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    off = (torch.linalg.pinv(found.frames[rows]) @ missed[:, :, None])[:, :, 0].norm(dim=1) / spread
    values = cloud.values.numpy()
    alike = KDTree(values[rows]).query(values, k=min(ALIKE, len(rows)))[1]

    around = off.square()[torch.from_numpy(alike)]

    parts = ((around.sum(dim=1) - around.amax(dim=1)) / (around.shape[1] - 1)).sqrt()

    return torch.stack([around[:, 0].sqrt(), parts], dim=1)  # the nearest first, the sample itself

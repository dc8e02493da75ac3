r"""Do the frames of paired samples belong to the same directions of the input space, and if not, how are they turned?

A frame counts up to a rotation, but derivative data :math:`DT J_A = J_B` need both frames along the same directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.metric.neuron_scale import unit_spread
from equiv.observe.frames import invert_frames, sensitivity_cut
from equiv.paired.neighbors import nearest_samples

__all__ = ["aligned_frames"]

# Frames that explain this share of what the best rotation explains are aligned.
# [share of the nuclear norm; chosen: frames turned at random explain about none, parallel ones nearly all]
MIN_AGREEMENT = 0.5

# Below this correlation of the steps the two sides share no directions to be aligned by.
# [correlation; chosen: steps in spaces of their own correlate by far less]
MIN_CORRELATION = 0.5

# The test looks at about so many samples, evenly spread.
# [samples; chosen: means of so many correlations are known to a few hundredths]
TESTED_SAMPLES = 400

# Frames are turned for so many samples at a time.
# [samples; chosen: bounds memory alone]
TURNED_SAMPLES = 512


def aligned_frames(
    source: Tensor, target: Tensor, source_frames: Tensor, target_frames: Tensor
) -> Tensor | None:
    r"""B's frames along the directions of A's.

    Neighbours in both observations together are neighbours in the inputs. Steps to them, in input units, are
    :math:`du_A = J_A^+ dy_A` and :math:`du_B = J_B^+ dy_B`, each the part of the step that its side sees.
    :math:`R_i = \arg\max_{R \in O(m)} \operatorname{tr} R^\top M_i` with :math:`M_i = \sum_j du_{B,ij} du_{A,ij}^\top`
    turns A's directions into B's. It is the identity where :math:`\operatorname{tr} M_i = \|M_i\|_*`.

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`.
        target_frames: B's frames, `(n, d_b, m)`.

    Returns:
        `target_frames` itself where the directions agree as given, or share nothing to be aligned by;
        :math:`J_{B,i} R_i` where turning explains the steps; None where nothing does.
    """
    n, m = len(source), source_frames.shape[2]
    count = 2 * m + 2

    if n <= 2 * count:
        return target_frames

    source, target = source.double(), target.double()
    sides = (torch.cat([unit_spread(source), unit_spread(target)], dim=1), source, target, source_frames)
    some = torch.arange(0, n, max(1, n // TESTED_SAMPLES), device=source.device)
    moments = _moments(*_steps(*sides, target_frames, some, count))
    explained = torch.linalg.matrix_norm(moments, "nuc").mean()

    if (
        moments.diagonal(dim1=1, dim2=2).sum(dim=1).mean() > MIN_AGREEMENT * explained
        or explained < MIN_CORRELATION
    ):
        return target_frames

    turned = []

    for rows in torch.arange(n, device=source.device).split(TURNED_SAMPLES):
        left, _, right = torch.linalg.svd(_moments(*_steps(*sides, target_frames, rows, count)))
        turned.append(target_frames[rows] @ (left @ right).to(target_frames))

    aligned = torch.cat(turned)
    # Judged at neighbours that had no part in the fit: those beyond the first 2m + 2.
    du_a, du_b = _steps(*sides, aligned, some, 2 * count)
    moments = _moments(du_a[:, count:], du_b[:, count:])
    agreed = moments.diagonal(dim1=1, dim2=2).sum(dim=1).mean()

    return aligned if agreed > MIN_AGREEMENT * torch.linalg.matrix_norm(moments, "nuc").mean() else None


def _moments(du_a: Tensor, du_b: Tensor) -> Tensor:
    r"""Correlations :math:`M_i` of the steps, `(l, m, m)`, with nuclear norms of at most 1."""
    size = du_a.square().sum(dim=(1, 2)) * du_b.square().sum(dim=(1, 2))

    return du_b.mT @ du_a / size.sqrt().clamp_min(1e-300)[:, None, None]


def _steps(
    joint: Tensor,
    source: Tensor,
    target: Tensor,
    source_frames: Tensor,
    target_frames: Tensor,
    rows: Tensor,
    count: int,
) -> tuple[Tensor, Tensor]:
    r"""Steps to the nearest samples in input units as each side sees them, `(l, count, m)`."""
    nearest = nearest_samples(joint, rows, count)
    steps = []

    for values, frames in ((source, source_frames), (target, target_frames)):
        inverse = invert_frames(frames[rows], sensitivity_cut(frames))
        steps.append((values[nearest] - values[rows][:, None]) @ inverse.mT)

    return steps[0], steps[1]

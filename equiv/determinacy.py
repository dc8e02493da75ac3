r"""Local evidence on whether A determines B: null spaces of the frames, folds and crossings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Determinacy", "determinacy"]

RANK_TOLERANCE = 1e-6  # singular values of J_A below this share of the RMS frame count as zero


@dataclass(frozen=True)
class Determinacy:
    r"""What the frames say about one direction.

    Attributes:
        leak: :math:`(\sum_i |J_B N_i|^2 / \sum_i |J_B|^2)^{1/2}`, :math:`N_i` the projection on null(J_A):
            how much of B moves while A stands still. 0 where A determines B locally.
        share: Share of the samples where more than 1e-3 of J_B does.
    """

    leak: float
    share: float


def determinacy(source: Tensor, target: Tensor) -> Determinacy:
    r"""Compares null(J_A) with null(J_B) at each sample.

    Arguments:
        source: A's frames, shape `(n, d_a, m)`.
        target: B's frames along the same directions of the input space, `(n, d_b, m)`.
    """
    source, target = source.double(), target.double()
    _, singular, right = torch.linalg.svd(source, full_matrices=source.shape[1] < source.shape[2])
    scale = source.square().sum(dim=(1, 2)).mean().sqrt()
    m = source.shape[2]
    kept = torch.zeros(len(source), right.shape[1], dtype=torch.bool, device=source.device)
    kept[:, : singular.shape[1]] = singular > RANK_TOLERANCE * scale
    seen = right * kept[:, :, None]
    null = torch.eye(m, dtype=source.dtype, device=source.device) - seen.mT @ seen
    hidden = (target @ null).square().sum(dim=(1, 2))
    total = target.square().sum(dim=(1, 2))
    leak = (hidden.sum() / total.sum().clamp_min(1e-300)).sqrt().item()
    share = (hidden > 1e-6 * total.mean()).double().mean().item()

    return Determinacy(leak, share)

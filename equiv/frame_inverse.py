r"""Pseudo-inverses of frames by their small Gram matrices."""

import torch
from torch import Tensor

__all__ = ["invert_frames", "sensitivity_cut"]

RANK_TOLERANCE = 1e-6  # singular values below this share of the RMS frame count as zero


def sensitivity_cut(frames: Tensor) -> float:
    r"""The singular value below which a frame of these `(n, d, m)` counts as blind, in their units."""
    return RANK_TOLERANCE * (frames.double().square().sum() / len(frames)).sqrt().item()


def invert_frames(frames: Tensor, cut: float) -> Tensor:
    r"""Pseudo-inverses :math:`J_i^+ = (J_i^\top J_i)^+ J_i^\top` or :math:`J_i^\top (J_i J_i^\top)^+`.

    Whichever Gram matrix is smaller is decomposed: squaring leaves singular values right to 1e-8 of the
    largest, which is below any cut used here, and costs far less than the decomposition of the frames.

    Arguments:
        frames: :math:`J_i`, shape `(n, d, m)`.
        cut: Singular values up to this are zero, see `sensitivity_cut`.

    Returns:
        Shape `(n, m, d)`, float64, in input units per activation unit.
    """
    frames = frames.double()
    d, m = frames.shape[1:]
    small = frames.mT @ frames if m <= d else frames @ frames.mT
    squared, axes = torch.linalg.eigh(small)
    inverse = torch.where(squared > cut**2, 1 / squared.clamp_min(1e-300), 0.0)
    inner = (axes * inverse[:, None]) @ axes.mT

    return inner @ frames.mT if m <= d else frames.mT @ inner

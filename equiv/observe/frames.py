r"""Frames: the push-forward of an orthonormal frame of the input space, its rank and its pseudo-inverse."""

import torch
from torch import Tensor

__all__ = ["invert_frames", "rank_tolerance", "sensitivity_cut", "split_frames", "whitening"]


# Singular values below this share of a frame's largest count as zero, in float64.
# [share of the frame's largest; chosen: half of the digits, Jacobians in float64 are right to far more]
RANK_TOLERANCE_FLOAT64 = 1e-8

# Singular values below this share of a frame's largest count as zero, in float32.
# [share of the frame's largest; chosen: Jacobians of ordinary networks carry a relative error of about 1e-6]
RANK_TOLERANCE_FLOAT32 = 1e-5

# To a direction in which a frame stretches by less than this, a network counts as blind.
# [share of the RMS frame; chosen: rounding in float32, and below it neurons change by nothing one could learn from]
BLIND_SHARE = 1e-6


def rank_tolerance(dtype: torch.dtype) -> float:
    r"""Singular values below this share of a frame's largest count as zero."""
    return RANK_TOLERANCE_FLOAT64 if dtype == torch.float64 else RANK_TOLERANCE_FLOAT32


def split_frames(frames: Tensor, rtol: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
    r"""Thin singular value decompositions :math:`J_i = U_i S_i V_i^\top`, without :math:`V_i`.

    Arguments:
        frames: Frames :math:`J_i`, shape `(n, d, m)`, in activation units per input unit.
        rtol: Singular values below `rtol` times the frame's largest are set to zero; None: `rank_tolerance`
            of the dtype given. Dimensionless, in `[0, 1)`.

    Returns:
        `U` of shape `(n, d, r)`, `S` of shape `(n, r)`, descending, and the rank, shape `(n,)`, int64, with
        r = min(d, m). In float64. Columns of U that belong to zero singular values are zero.
    """
    rtol = rank_tolerance(frames.dtype) if rtol is None else rtol
    basis, scale, _ = torch.linalg.svd(frames.detach().double(), full_matrices=False)
    # A frame of pure rounding error (1e-16 of all others) has rank 0, not m.
    kept = (scale > rtol * scale[:, :1]) & (scale > torch.finfo(frames.dtype).eps * scale.max())

    return basis * kept[:, None], scale * kept, kept.sum(dim=1)


def whitening(frames: Tensor, rtol: float | None = None) -> Tensor:
    r"""The matrices :math:`L_i = U_i S_i^{-1}`, with :math:`C_i^+ = L_i L_i^\top`.

    :math:`L_i^\top (y_j - y_i)` is the difference of two samples in units of the inputs. Null directions
    are zeroed.

    Arguments:
        frames: Frames :math:`J_i`, shape `(n, d, m)`, in activation units per input unit.
        rtol: As in `split_frames`.

    Returns:
        :math:`L_i`, shape `(n, d, r)` with r = min(d, m), in float64, in input units per activation unit.
    """
    basis, scale, _ = split_frames(frames, rtol)

    return basis / torch.where(scale > 0, scale, 1.0)[:, None]


def sensitivity_cut(frames: Tensor) -> float:
    r"""The singular value below which a frame of these `(n, d, m)` counts as blind, in their units."""
    return BLIND_SHARE * (frames.double().square().sum() / len(frames)).sqrt().item()


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

r"""Local evidence on whether A determines B: null spaces of the frames, folds and crossings.

Where :math:`y_B = T(y_A)`, the chain rule gives :math:`J_B = DT J_A`: whatever direction A does not see, B must not
see either, and where y_A moves a little y_B moves as far as the frames at both ends say. Neither test needs a
regression, and neither is fooled by a map that is merely hard to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.metric.neuron_scale import slope_weights
from equiv.observe.frames import invert_frames, sensitivity_cut
from equiv.paired.neighbors import all_nearest

__all__ = ["Determinacy", "determinacy", "leaking"]

# Fewer folded samples than this are no evidence of an open set.
# [samples; chosen: images that cross themselves show a few, sheets over each other a share of all]
MIN_FOLDED_SAMPLES = 8

# Where B moves this many times farther than the frames at both ends say, the two samples are not on one sheet.
# [dimensionless; chosen: curvature makes factors near 1, moves between sheets any number]
MAX_STRETCH = 4.0

# Errors below this share of the distance between two sheets tell them apart.
# [share of the distance of two sheets; chosen: a map that mixes sheets errs by about half of it]
MAX_SHEET_ERROR = 0.1

# So many of the nearest samples are looked at, and no more than 2m + 2.
# [neighbours; chosen: of each sheet that passes there one is among them]
MAX_NEIGHBORS = 10

# Moves of B below this share of its largest value are rounding, no folds.
# [share of B's largest value; chosen: a hundred times the rounding of float32]
MIN_MOVE = 1e-5

# B leaks where it moves by more than this share of its RMS frame while A stands still.
# [share of B's RMS frame; chosen: counts samples for the report, decides nothing]
MIN_LEAK = 1e-3

# Frames are inverted for so many samples at a time that they hold this many entries.
# [numbers; chosen: bounds memory alone]
FRAME_NUMBERS = 2**22


@dataclass(frozen=True)
class Determinacy:
    r"""What the frames say about one direction.

    Attributes:
        leak: :math:`(\sum_i |J_B N_i|^2 / \sum_i |J_B|^2)^{1/2}`, :math:`N_i` the projection on null(J_A):
            how much of B moves while A stands still, about the error that no map from A can avoid.
        leaking_share: Share of the samples where B moves by more than 1e-3 of its RMS frame along null(J_A).
        fold: RMS error, over B's spread, that no continuous map can avoid where sheets of B's image lie over
            each other in A's: :math:`(\sum_{i \in F} |y_{B,i} - y_{B,j(i)}|^2 / 2 n)^{1/2}`, j(i) the nearest
            sample in A, F the samples where that pair is no move along one sheet.
        folded: Number of samples in F; two sheets over each other everywhere give about half of all.
        confusion: Squared error over B's mean square spread if T takes a neighbour's sheet for a sample's own
            halfway, :math:`\max_j |y_{B,i} - y_{B,j}|^2 / 4` over the 2m + 2 nearest in A that lie on another
            sheet, shape `(n,)`; 0 where there are none. Images that cross themselves have it on small sets.
    """

    leak: float
    leaking_share: float
    fold: float
    folded: int
    confusion: Tensor

    @property
    def floor(self) -> float:
        r"""Error that no continuous map avoids, over B's spread, as the frames estimate it."""
        fold = self.fold if self.folded >= MIN_FOLDED_SAMPLES else 0.0

        return (self.leak**2 + fold**2) ** 0.5


def determinacy(
    source: Tensor,
    target: Tensor,
    source_frames: Tensor,
    target_frames: Tensor,
    missed: Tensor | None = None,
) -> Determinacy:
    r"""Compares null(J_A) with null(J_B), and neighbours in A with how far apart they are in B.

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, `(n, d_b)`.
        source_frames: A's frames, shape `(n, d_a, m)`.
        target_frames: B's frames along the same directions of the input space, `(n, d_b, m)`.
        missed: Squared held-out errors of a map from A over B's mean square spread, shape `(n,)`. Sheets
            that it tells apart, though they are near each other in A, count as different places. None: no
            map is known.
    """
    source, target = source.double(), target.double()
    n, _, m = source_frames.shape
    nearest = all_nearest(source * slope_weights(source, source_frames), min(2 * m + 2, MAX_NEIGHBORS))
    moved = (target[nearest] - target[:, None]).square().sum(dim=2)  # (n, count)
    said, hidden = torch.zeros_like(moved), moved.new_zeros(n)
    cut = sensitivity_cut(source_frames)

    for rows in torch.arange(n, device=source.device).split(
        max(1, FRAME_NUMBERS // source_frames[0].numel())
    ):
        inverse, slope = _inverse_and_slope(source_frames[rows], target_frames[rows], cut)
        steps = (source[nearest[rows]] - source[rows][:, None]) @ inverse.mT  # (b, count, m)
        said[rows] = (steps @ slope.mT).square().sum(dim=2)
        hidden[rows] = (slope - _shown(slope, inverse, source_frames[rows].double())).square().sum(dim=(1, 2))

    # The frame at the other end is asked only where that at the first does not explain the move.
    tail, place = (moved > MAX_STRETCH**2 * said).nonzero(as_tuple=True)
    head = nearest[tail, place]
    order = head.argsort()
    tail, place, head = tail[order], place[order], head[order]

    for edges in torch.arange(len(head), device=source.device).split(
        max(1, FRAME_NUMBERS // source_frames[0].numel())
    ):
        ends, which = head[edges].unique_consecutive(return_inverse=True)
        inverse, slope = _inverse_and_slope(source_frames[ends], target_frames[ends], cut)
        dy = source[head[edges]] - source[tail[edges]]
        du = (inverse[which] @ dy[:, :, None])[:, :, 0]
        seen = (slope[which] @ du[:, :, None]).square().sum(dim=(1, 2))
        at = tail[edges], place[edges]
        said[at] = torch.maximum(said[at], seen)

    leak, share = _leak(hidden, target_frames)
    # B's rounding in float32 is not a fold.
    rounding = (MIN_MOVE * target.abs().max()).square()
    spread = (target - target.mean(dim=0)).square().sum(dim=1).mean().clamp_min(1e-300)
    other = torch.where((moved > MAX_STRETCH**2 * said) & (moved > rounding), moved / spread, 0.0)

    if missed is not None:
        worse = torch.maximum(missed[:, None], missed[nearest])
        other = torch.where(worse > MAX_SHEET_ERROR**2 * other, other, 0.0)

    fold = (other[:, 0].mean() / 2).sqrt().item()

    return Determinacy(leak, share, fold, int((other[:, 0] > 0).sum().item()), other.amax(dim=1) / 4)


def leaking(source_frames: Tensor, target_frames: Tensor) -> tuple[float, float]:
    r"""`Determinacy.leak` and `Determinacy.leaking_share`, which need no neighbours, at however few samples.

    Arguments:
        source_frames: A's frames, shape `(n, d_a, m)`.
        target_frames: B's frames along the same directions of the input space, `(n, d_b, m)`.
    """
    cut = sensitivity_cut(source_frames)
    hidden = []

    for frame, target in zip(source_frames.split(1), target_frames.split(1), strict=True):
        inverse, slope = _inverse_and_slope(frame, target, cut)
        hidden.append((slope - _shown(slope, inverse, frame.double())).square().sum(dim=(1, 2)))

    return _leak(torch.cat(hidden), target_frames)


def _leak(hidden: Tensor, target_frames: Tensor) -> tuple[float, float]:
    r"""The leak and the leaking share from :math:`|J_B N_i|^2`, `(n,)`."""
    total = target_frames.double().square().sum(dim=(1, 2))
    leak = (hidden.sum() / total.sum().clamp_min(1e-300)).sqrt().item()

    return leak, (hidden > MIN_LEAK**2 * total.mean()).double().mean().item()


def _inverse_and_slope(frames: Tensor, target_frames: Tensor, cut: float) -> tuple[Tensor, Tensor]:
    r"""Pseudo-inverses of A's frames `(b, m, d)`, and B's frames up to a rotation of B, `(b, min(d_b, m), m)`.

    Lengths in B are all that is asked for, and those R of :math:`J_B = Q R` keeps.
    """
    slope = target_frames.double()

    if slope.shape[1] > slope.shape[2]:
        slope = torch.linalg.qr(slope, mode="r").R

    return invert_frames(frames, cut), slope


def _shown(slope: Tensor, inverse: Tensor, frames: Tensor) -> Tensor:
    r""":math:`J_B J_A^+ J_A`, in the order with the smaller product between."""
    m, d = frames.shape[2], frames.shape[1]

    if 2 * d * slope.shape[1] < m * (d + slope.shape[1]):
        return slope @ inverse @ frames

    return slope @ (inverse @ frames)

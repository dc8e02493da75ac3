r"""Local evidence on whether A determines B: null spaces of the frames, folds and crossings.

Where :math:`y_B = T(y_A)`, the chain rule gives :math:`J_B = DT J_A`: whatever direction A does not see, B must not
see either, and where y_A moves a little y_B moves as far as the frames at both ends say. Neither test needs a
regression, and neither is fooled by a map that is merely hard to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.frame_inverse import invert_frames, sensitivity_cut

__all__ = ["Determinacy", "determinacy"]

FEW = 8  # fewer folded samples than this are no evidence of an open set
EXCESS = 4.0  # B moves this many times farther than the frames at both ends say: not one sheet
BLOCK = 512
MEMORY = 2**24  # numbers in a block of frames


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
    """

    leak: float
    leaking_share: float
    fold: float
    folded: int

    @property
    def floor(self) -> float:
        r"""Error that no continuous map avoids, over B's spread, as the frames estimate it."""
        fold = self.fold if self.folded >= FEW else 0.0

        return (self.leak**2 + fold**2) ** 0.5


def determinacy(source: Tensor, target: Tensor, source_frames: Tensor, target_frames: Tensor) -> Determinacy:
    r"""Compares null(J_A) with null(J_B), and neighbours in A with how far apart they are in B.

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, `(n, d_b)`.
        source_frames: A's frames, shape `(n, d_a, m)`.
        target_frames: B's frames along the same directions of the input space, `(n, d_b, m)`.
    """
    source, target = source.double(), target.double()
    source_frames, target_frames = source_frames.double(), target_frames.double()
    nearest = _nearest(source)
    step, moved = source[nearest] - source, (target - target[nearest]).square().sum(dim=1)
    hidden, said, other = (torch.zeros_like(moved) for _ in range(3))
    cut = sensitivity_cut(source_frames)
    samples = torch.arange(len(source), device=source.device)

    for rows in samples.split(max(1, MEMORY // source_frames[0].numel())):
        inverse = invert_frames(source_frames[rows], cut)
        slope = target_frames[rows]
        hidden[rows] = (slope - slope @ (inverse @ source_frames[rows])).square().sum(dim=(1, 2))
        du = (inverse @ step[rows, :, None])[:, :, 0]
        said[rows] = (slope @ du[:, :, None])[:, :, 0].square().sum(dim=1)
        # The same step seen from its other end: every sample that has one of these as its nearest.
        ends = torch.isin(nearest, rows).nonzero()[:, 0]
        place = nearest[ends] - rows[0]
        du = (inverse[place] @ step[ends, :, None])[:, :, 0]
        seen = (slope[place] @ du[:, :, None])[:, :, 0].square().sum(dim=1)
        other[ends] = seen

    total = target_frames.square().sum(dim=(1, 2))
    leak = (hidden.sum() / total.sum().clamp_min(1e-300)).sqrt().item()
    leaking = (hidden > 1e-6 * total.mean()).double().mean().item()
    said = torch.maximum(said, other)
    # B's rounding in float32 is not a fold.
    rounding = (1e-5 * target.abs().max()).square()
    folded = (moved > EXCESS**2 * said) & (moved > rounding)
    spread = (target - target.mean(dim=0)).square().sum(dim=1).mean().clamp_min(1e-300)
    fold = ((moved * folded).mean() / (2 * spread)).sqrt().item()

    return Determinacy(leak, leaking, fold, int(folded.sum().item()))


def _nearest(values: Tensor) -> Tensor:
    r"""Index of each sample's nearest other sample, neurons standardised, `(n,)`."""
    values = values - values.mean(dim=0)
    deviation = values.square().mean(dim=0).sqrt()
    values = values / torch.where(deviation > 1e-12 * deviation.max(), deviation, 1.0)
    found = []

    for start in range(0, len(values), BLOCK):
        rows = values[start : start + BLOCK]
        distance = torch.cdist(rows, values)
        index = torch.arange(len(rows), device=values.device)
        distance[index, start + index] = torch.inf
        found.append(distance.argmin(dim=1))

    return torch.cat(found)

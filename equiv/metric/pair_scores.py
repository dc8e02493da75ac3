r"""Pairs of samples: how near they are in the Mahalanobis-like metric, and whether they are tangent at both ends."""

from typing import NamedTuple

import torch
from torch import Tensor

from equiv.metric.mahalanobis import ROUNDING_SHARE

__all__ = ["JudgedPairs", "PairScores"]


# How much the squared sine of the angle between the difference of two samples and the tangent space at either adds to
# the score of the pair: where the normal part is a tenth of the difference the score is doubled.
# [dimensionless; chosen: it orders pairs of like distance, and those beyond the largest sine do not count at all]
NORMAL_PENALTY = 100.0

# Likewise where frames jump between neighbours: at 22 hundredths.
# [dimensionless; chosen: differences across a jump are normal in part, but other sheets should still come last]
JUMPING_NORMAL_PENALTY = 20.0


class JudgedPairs(NamedTuple):
    r"""What is said of pairs, `(r, c)` each: scores, whether they do not count, and the side of a curve."""

    score: Tensor
    excluded: Tensor
    ahead: Tensor | None


class PairScores:
    r"""Scores of pairs, and which of them are tangent.

    A pair's score is :math:`d_{ij}^2 (1 + p\,\nu^2)` with :math:`\nu` the larger sine of the angles of
    :math:`y_j - y_i` with the tangent spaces at i and j, of which the metric sees nothing.

    Arguments:
        values: Observed values, `(n, d)`, float64.
        basis: Orthonormal bases U of the tangent spaces, `(n, d, m)`.
        scale: Singular values S of the frames, `(n, m)`, positive.
        max_tangent_sine: Largest :math:`\sqrt{m - |U_i^\top U_j|_F^2}` of a pair that counts.
        max_difference_sine: Largest :math:`\nu` of one.
        jumping: Whether tangent spaces may turn between neighbours by more than a little.
    """

    def __init__(
        self,
        values: Tensor,
        basis: Tensor,
        scale: Tensor,
        max_tangent_sine: float,
        max_difference_sine: float,
        jumping: bool,
    ) -> None:
        self.values, self.basis, self.whitening = values, basis, basis / scale[:, None]
        self.squared_scale = scale.square()
        self.n, self.d, self.m = basis.shape
        self.max_tangent_sine, self.max_difference_sine = max_tangent_sine, max_difference_sine
        self.penalty = JUMPING_NORMAL_PENALTY if jumping else NORMAL_PENALTY

    def squared_distances(self, i: Tensor, j: Tensor) -> Tensor:
        r"""Of some pairs, `(E,)`."""
        difference = self.values[j] - self.values[i]
        seen_i = torch.einsum("eda,ed->ea", self.whitening[i], difference)
        seen_j = torch.einsum("eda,ed->ea", self.whitening[j], difference)

        return 0.5 * (seen_i.square().sum(dim=1) + seen_j.square().sum(dim=1))

    def block(self, rows: slice) -> JudgedPairs:
        r"""Some rows with all samples, `(r, n)`."""
        values, m = self.values, self.m
        mine = values[rows]
        distance = torch.zeros(len(mine), self.n, dtype=values.dtype)
        tangent_i, tangent_j, cosine = (torch.zeros_like(distance) for _ in range(3))
        ahead = None

        for a in range(m):
            own, other = self.whitening[rows, :, a], self.whitening[:, :, a]
            along = torch.addmm((own * mine).sum(dim=1, keepdim=True), own, values.T, beta=-1)
            ahead = along > 0 if m == 1 else None
            back = torch.addmm((other * values).sum(dim=1), mine, other.T, beta=-1)
            distance += along.square_()
            distance += back.square_()
            if self.d > m:
                tangent_i.addcmul_(along, self.squared_scale[rows, a, None])
                tangent_j.addcmul_(back, self.squared_scale[:, a])
                for b in range(m):
                    common = self.basis[rows, :, a] @ self.basis[:, :, b].T
                    cosine.addcmul_(common, common)

        square = values.square().sum(dim=1)
        magnitude = square[rows, None] + square
        whole = torch.addmm(magnitude, mine, values.T, alpha=-2).clamp_min_(0)
        # What is short to rounding is tangent.
        normal = torch.where(
            whole > ROUNDING_SHARE * magnitude,
            1 - torch.minimum(tangent_i, tangent_j) / whole,
            torch.zeros(()),
        )
        score, excluded = self._judge(distance, normal, cosine)
        index = torch.arange(self.n)[rows]
        score[index - index[0], index] = torch.inf

        return JudgedPairs(score, excluded, ahead)

    def listed(self, rows: slice, others: Tensor) -> JudgedPairs:
        r"""Some rows with the samples listed for each, `(r, c)`."""
        mine = self.values[rows]
        difference = self.values[others] - mine[:, None]  # (r, c, d)
        whole = difference.square().sum(dim=2)
        distance, tangent_i, tangent_j, cosine = (torch.zeros_like(whole) for _ in range(4))
        ahead = None

        # Column by column, so that nothing of shape (r, c, d, m) is gathered.
        for a in range(self.m):
            along = torch.einsum("rcd,rd->rc", difference, self.whitening[rows, :, a])
            ahead = along > 0 if self.m == 1 else None
            back = torch.einsum("rcd,rcd->rc", difference, self.whitening[:, :, a][others])
            distance += along.square_()
            distance += back.square_()
            if self.d > self.m:
                other = self.basis[:, :, a][others]
                tangent_i.addcmul_(along, self.squared_scale[rows, a, None])
                tangent_j.addcmul_(back, self.squared_scale[others, a])
                cosine += (other @ self.basis[rows]).square_().sum(dim=2)

        normal = torch.where(whole > 0, 1 - torch.minimum(tangent_i, tangent_j) / whole, torch.zeros(()))

        return JudgedPairs(*self._judge(distance, normal, cosine), ahead)

    def _judge(self, distance: Tensor, normal: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
        if self.d == self.m:
            return distance, torch.zeros_like(distance, dtype=torch.bool)

        score = distance * (1 + self.penalty * normal.clamp_min(0))
        excluded = (normal > self.max_difference_sine**2) | (self.m - cosine > self.max_tangent_sine**2)

        return score, excluded

r"""Kernel ridge regression of many targets with many ridges, all from one eigendecomposition of the kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from equiv.observe.draws import Draws

__all__ = ["SpectralRidges"]


class SpectralRidges:
    r"""Errors where draws are left out, for any ridge.

    With :math:`K = U \Lambda U^\top`, the samples G of a draw, predicted from all others, miss

    .. math:: (P_{GG})^{-1} (P Y)_G, \qquad P = U (\Lambda + \lambda)^{-1} U^\top.

    Arguments:
        matrix: K, `(n, n)`.
        targets: Y, several of `(n, c)`.
        draws: Which samples are left out together.
    """

    def __init__(self, matrix: Tensor, targets: Sequence[Tensor], draws: Draws) -> None:
        self.eigenvalues, self.vectors = torch.linalg.eigh(matrix)
        self.draws = draws
        widths = [target.shape[1] for target in targets]
        self.projected = (self.vectors.T @ torch.cat(list(targets), dim=1)).split(widths, dim=1)

    def errors(self, ridge: float, wanted: Sequence[int]) -> list[Tensor] | None:
        r"""The targets of these numbers less what the other draws predict, `(n, c)` each.

        None where the matrix with this ridge is not positive definite to rounding.
        """
        shifted = self.eigenvalues + ridge

        if not shifted[0] > 0:
            return None

        projected = torch.cat([self.projected[k] for k in wanted], dim=1)
        coefficients = self.vectors @ (projected / shifted[:, None])

        if self.draws.independent:
            errors = coefficients / (self.vectors.square() @ shifted.reciprocal())[:, None]
        else:
            errors = torch.empty_like(coefficients)

            for out, judged in self.draws.left_out_alike:
                own = self.vectors[out]  # (g, l, n)
                missed = torch.linalg.solve((own / shifted) @ own.mT, coefficients[out])
                errors[out.gather(1, judged)] = missed.gather(
                    1, judged[:, :, None].expand(-1, -1, missed.shape[2])
                )

        if not errors.isfinite().all():
            return None

        return list(errors.split([self.projected[k].shape[1] for k in wanted], dim=1))

r"""Modules that compute in float64 whatever dtype they are moved to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from torch import Tensor, nn

__all__ = ["DoublePrecision"]


class DoublePrecision(nn.Module):
    r"""A module whose tensors change their device, never their dtype.

    Sums of wide Gaussians have large coefficients that nearly cancel: in float32 they would be off by percents.
    `forward` returns what it computed in the dtype of its argument, so that `.float()` and `.to(torch.bfloat16)` of
    a network that holds such a module do all that is asked of them.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def moved(tensor: Tensor) -> Tensor:
            found = fn(tensor)

            return found if found.dtype == tensor.dtype else tensor.to(found.device)

        return super()._apply(moved, recurse)

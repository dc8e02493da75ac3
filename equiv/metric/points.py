r"""Samples made ready for the Mahalanobis-like metric: centred values, whitened frames."""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.observe.frames import split_frames

__all__ = ["MetricFrames", "MetricPoints", "metric_points"]


@dataclass(frozen=True)
class MetricPoints:
    r"""Samples made ready for distances, in float64.

    Attributes:
        values: Activations less `centre`, shape `(n, d)`.
        centre: What was subtracted, shape `(d,)`. Differences near the origin keep their digits.
        frames: What the frames say; None for the Euclidean metric.
    """

    values: Tensor
    centre: Tensor
    frames: "MetricFrames | None"

    def __len__(self) -> int:
        return len(self.values)

    @property
    def rank(self) -> float:
        r"""The rank of most frames; infinite for the Euclidean metric."""
        return torch.inf if self.frames is None else (self.frames.scale > 0).sum(dim=0).median().item()

    def subset(self, index: Tensor | slice) -> "MetricPoints":
        r"""Some of the samples, about the same centre."""
        frames = None if self.frames is None else self.frames.subset(index)

        return MetricPoints(self.values[index], self.centre, frames)


@dataclass(frozen=True)
class MetricFrames:
    r"""Whitened frames, singular directions first: each is one contiguous matrix for the products below.

    Attributes:
        whitening: The columns of :math:`L_i`, shape `(r, n, d)`.
        offset: :math:`L_i^\top y_i`, shape `(r, n)`.
        scale: Singular values of the frames, descending, shape `(r, n)`.
        tested: Where the frame can tell tangent from normal, shape `(n,)`: its rank is that of most samples.
    """

    whitening: Tensor
    offset: Tensor
    scale: Tensor
    tested: Tensor

    def subset(self, index: Tensor | slice) -> "MetricFrames":
        r"""Those of some samples."""
        return MetricFrames(
            self.whitening[:, index], self.offset[:, index], self.scale[:, index], self.tested[index]
        )


def metric_points(values: Tensor, frames: Tensor | None, centre: Tensor | None = None) -> MetricPoints:
    r"""Centres the activations and whitens the frames, once for many distances.

    Arguments:
        values: Activations, shape `(n, d)`; gradients flow through them.
        frames: Frames, shape `(n, d, m)`; None for the Euclidean metric.
        centre: Subtracted from the values, shape `(d,)`; None: their mean.
    """
    values = values.double()
    centre = values.detach().mean(dim=0) if centre is None else centre
    values = values - centre

    if frames is None:
        return MetricPoints(values, centre, None)

    basis, scale, rank = split_frames(frames)
    whitening = (basis / torch.where(scale > 0, scale, 1.0)[:, None]).permute(2, 0, 1).contiguous()
    offset = (whitening * values).sum(dim=2)

    return MetricPoints(
        values, centre, MetricFrames(whitening, offset, scale.T.contiguous(), rank >= rank.median())
    )

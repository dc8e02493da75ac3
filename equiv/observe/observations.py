r"""What is observed of a network: activations, and the frames that carry the metric of its inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_integer
from equiv.observe.frames import split_frames
from equiv.observe.labels import checked_groups, checked_index

__all__ = ["Observations", "place"]


def place(values: Tensor) -> tuple[float, ...]:
    r"""Of two sets of activations `(n, d)` the one with the smaller numbers comes first, whatever it is called."""
    exact = values.double()

    return (values.shape[1], exact.square().sum().item(), exact.sum().item())


class Observations:
    r"""Activations :math:`y_i = \varphi(x_i)` and, where known, frames :math:`J_i` at `n` samples.

    Dead neurons, copies of rows, fewer samples than neurons and frames of lower rank are ordinary.

    Arguments:
        values: Activations, a tensor or NumPy array of shape `(n, d)`, float32 or float64.
        frames: Push-forwards :math:`J_i = D\varphi(x_i) E(x_i)` of orthonormal frames of the input space,
            shape `(n, d, m)`, in activation units per input unit, on the device of `values`; or None. Only
            :math:`C_i = J_i J_i^\top` counts.
        groups: Integer labels `(n,)` of samples that are no independent draws (tokens of one text, frames of one
            recording): a group is held out whole. None: nothing is known.
        burst_size: Number of burst samples behind each frame's covariance; None where the frames are exact.
        oriented: Whether column k of all frames is along the same direction as that of other observations at the same
            inputs, as of Jacobians and given tangents; frames of bursts and of neighbours are known up to a rotation.
        taken: Directions that the inputs take, `(m, k)`, each as long as they spread along it, in terms of the frames'
            columns, where these are all entries of an input, of which some may never move. None: all alike.
        slopes: Derivatives along a few directions, other ones at each sample and the same as of other observations at
            the same inputs, `(n, d, r)`, where whole frames would be too many numbers. None: there are none.
        unframed: Why there are no frames although they were asked for, in words.

    Attributes:
        values: The activations, `(n, d)`.
        frames: The frames, `(n, d, m)`, in the dtype of `values`, or None.
        groups: The labels, int64, or None.
        burst_size: As given.
        oriented: As given; False for bursts.

    Raises:
        TypeError: If an array is of an integer or half-precision dtype, or no array.
        ValueError: If shapes or devices disagree, or an entry is NaN or infinite.

    Example:
        >>> values = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> obs = Observations(values, torch.eye(2).expand(2, 2, 2))
        >>> len(obs), obs.rank
        (2, tensor([2, 2]))
    """

    def __init__(
        self,
        values: Any,
        frames: Any = None,
        groups: Any = None,
        *,
        burst_size: int | None = None,
        oriented: bool = True,
        taken: Tensor | None = None,
        slopes: Tensor | None = None,
        unframed: str | None = None,
    ) -> None:
        self.values: Tensor = as_floating(values, "values", "(n, d)", 2).detach()
        check_finite(self.values, "values")
        self.frames: Tensor | None = None if frames is None else self._checked_frames(frames)
        self.burst_size: int | None = (
            None if burst_size is None else check_integer(burst_size, "burst_size", 2)
        )
        self.groups: Tensor | None = None if groups is None else checked_groups(groups, len(self.values))
        self.oriented = oriented and burst_size is None
        self.taken = taken
        self.slopes = slopes
        self.unframed = unframed
        self._rank: Tensor | None = None

    def _checked_frames(self, frames: Any) -> Tensor:
        frames = as_floating(frames, "frames", "(n, d, m)", 3).detach()

        if frames.shape[:2] != self.values.shape:
            raise ValueError(
                f"'frames' should have shape (n, d, m) with (n, d) = {tuple(self.values.shape)} as 'values', "
                f"got {tuple(frames.shape)}; give one (d, m) frame for each sample."
            )

        if frames.device != self.values.device:
            raise ValueError(
                f"'frames' should be on the device of 'values', {self.values.device}, got {frames.device}; "
                "move one with .to(device)."
            )

        frames = frames.to(self.values.dtype)
        check_finite(frames, "frames")

        return frames

    @property
    def rank(self) -> Tensor | None:
        r"""Numerical rank of each frame, shape `(n,)`, int64; None without frames."""
        if self._rank is None and self.frames is not None:
            self._rank = split_frames(self.frames)[2]

        return self._rank

    @property
    def device(self) -> torch.device:
        r"""Where the tensors are."""
        return self.values.device

    @property
    def dtype(self) -> torch.dtype:
        r"""float32 or float64."""
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def to(self, *args: Any, **kwargs: Any) -> Observations:
        r"""The same observations on another device or in another dtype; arguments as in `torch.Tensor.to`."""
        moved = self._derived(lambda tensor: tensor.to(*args, **kwargs))
        moved.groups = None if self.groups is None else self.groups.to(moved.device)

        return moved

    def subset(self, index: Tensor) -> Observations:
        r"""The observations at some samples: `index` selects along the first axis (integers or booleans).

        Raises:
            TypeError: If it holds something else.
            ValueError: If it is no list of samples that there are.
        """
        index = checked_index(index, "index", len(self))
        some = self._derived(lambda tensor: tensor[index])
        some.groups = None if self.groups is None else self.groups[index]

        return some

    def _derived(self, change: Any) -> Observations:
        frames = None if self.frames is None else change(self.frames)

        return Observations(
            change(self.values),
            frames,
            burst_size=self.burst_size,
            oriented=self.oriented,
            taken=self.taken,
            slopes=None if self.slopes is None else change(self.slopes),
            unframed=self.unframed,
        )

    def __repr__(self) -> str:
        n, d = self.values.shape
        m = "None" if self.frames is None else str(self.frames.shape[2])

        return f"Observations(n={n}, d={d}, m={m}, dtype={str(self.dtype).removeprefix('torch.')})"

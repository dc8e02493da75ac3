r"""What of a target's variance a source determines, direction by direction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equiv.verdict import Interval

__all__ = ["Components", "interval", "numbers"]


@dataclass(frozen=True, eq=False)
class Components:
    r"""Directions among the target's activations, best determined first, with the error of each.

    They are chosen, and the map to them is learned, on samples other than those that judge them.

    Attributes:
        directions: Orthonormal directions in the target's activations, chosen on all samples, `(k, d_target)`.
        variance: Their shares of the target's variance, `(k,)`, as the judging samples show them.
        errors: RMS error along each over the target's spread along it, k intervals.
        determined: How many of the first ones span a subspace whose RMS error is within the tolerance.
        variance_determined: The share of the target's variance that such a subspace holds.
        resolved: Whether there are samples enough, about 3 a dimension of the target, to find directions that are
            determined; where there are not, the upper bound of `variance_determined` is 1.
    """

    directions: Tensor
    variance: Tensor
    errors: tuple[Interval, ...]
    determined: int
    variance_determined: Interval
    resolved: bool

    def to_dict(self) -> dict[str, Any]:
        r"""The numbers by name, all but the directions."""
        return {
            "variance": self.variance.tolist(),
            "errors": [error._asdict() for error in self.errors],
            "determined": self.determined,
            "variance_determined": self.variance_determined._asdict(),
            "resolved": self.resolved,
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any], directions: Tensor) -> Components:
        r"""The inverse of `to_dict`."""
        return cls(
            directions,
            numbers(saved["variance"]),
            tuple(interval(error) for error in saved["errors"]),
            saved["determined"],
            interval(saved["variance_determined"]),
            saved["resolved"],
        )


def interval(saved: dict[str, Any]) -> Interval:
    r"""The interval that was saved by names."""
    return Interval(*(math.nan if saved[name] is None else saved[name] for name in Interval._fields))


def numbers(saved: list[Any]) -> Tensor:
    r"""Numbers that were saved in float64, NaN as None."""
    return torch.tensor([math.nan if entry is None else entry for entry in saved], dtype=torch.float64)

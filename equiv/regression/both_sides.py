r"""Both sides of the pairs beside each other, and both learned as functions of the same coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.regression.hermite import kernel_map
from equiv.regression.kernel_map import KernelMap
from equiv.regression.kernel_search import Settings
from equiv.regression.leave_one_out import Solution
from equiv.regression.pair_data import PairData

__all__ = ["BothSides", "LearnedSides"]


@dataclass(frozen=True)
class BothSides:
    r"""Activations `(n, d_a)` and `(n, d_b)` and frames `(n, d_a, m)` and `(n, d_b, m)`, in float64."""

    source: Tensor
    target: Tensor
    source_frames: Tensor
    target_frames: Tensor

    @property
    def spreads(self) -> list[Tensor]:
        r"""RMS distances of both sides from their means."""
        sides = (self.source, self.target)

        return [(side - side.mean(dim=0)).square().sum(dim=1).mean().sqrt() for side in sides]

    def units(self, joint: Tensor) -> tuple[Tensor, Tensor]:
        r"""Numbers of both sides beside each other, `(..., d_a + d_b)`, as those of each, in its own units."""
        a, b = joint.split([self.source.shape[1], self.target.shape[1]], dim=-1)

        return a * self.spreads[0], b * self.spreads[1]

    @property
    def joint(self) -> tuple[Tensor, Tensor]:
        r"""Both sides beside each other, each over its spread: values `(n, d_a + d_b)`, and frames."""
        a, b = self.spreads

        return (
            torch.cat([self.source / a, self.target / b], dim=1),
            torch.cat([self.source_frames / a, self.target_frames / b], dim=1),
        )

    def apart(self, joint: KernelMap) -> list[KernelMap]:
        r"""The map to both sides as one to each, in the units of the activations."""
        columns = (slice(0, self.source.shape[1]), slice(self.source.shape[1], None))

        return [
            KernelMap(
                joint.kind,
                joint.center,
                joint.metric,
                spread * joint.offset[side],
                spread * joint.weight[:, side],
                joint.points,
                joint.directions,
                spread * joint.coefficients[:, :, side],
                spread * joint.low[side],
                spread * joint.high[side],
                joint.samples,
                joint.radius,
            )
            for spread, side in zip(self.spreads, columns, strict=True)
        ]


@dataclass(frozen=True)
class LearnedSides:
    r"""Both sides as functions of coordinates.

    Attributes:
        part: What they were learned from.
        settings: Of the kernel.
        solution: Coefficients, and errors of samples left out.
        shown: Which samples these are, `(l,)`.
    """

    part: PairData
    settings: Settings
    solution: Solution
    shown: Tensor

    @property
    def errors(self) -> Tensor:
        r"""Leave-one-out errors of both sides, `(l, d_a + d_b)`, over their spreads."""
        return self.solution.errors * self.part.spread

    def without(self, samples: Tensor) -> tuple[KernelMap, Tensor]:
        r"""What the functions owe to single samples, as a map to `(s * width,)` shares, each times its residue.

        Residues of the samples `(s,)` have shape `(s, width, d_a + d_b)`, over the spreads.
        """
        columns, residues = self.solution.shares(samples)
        blank = self.part.target.new_zeros(len(self.part), columns[0].numel())
        unit = replace(self.part, target=blank, middle=blank[0], spread=torch.ones_like(self.part.spread))

        return kernel_map(unit, self.settings, columns.flatten(1)), residues * self.part.spread

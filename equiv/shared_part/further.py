r"""What takes regressions of its own, learned when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from equiv.findings.components import Components
from equiv.regression.bounds import relative_rms
from equiv.regression.hermite import fit_map
from equiv.shared_part.components import learned_components
from equiv.shared_part.held_out import HeldOut
from equiv.verdict import Interval

__all__ = ["Learned"]


@dataclass(frozen=True, eq=False)
class Learned:
    r"""A direction's samples, and what further regressions find in them.

    Attributes:
        source: The source's activations, `(n, d_s)`.
        held_out: The target's at the same inputs, `(n, d_t)`, with what the direction's map misses of them.
        inputs: Entries of the inputs, `(n, m)`; None where none are known.
        tolerance: Largest error that still counts as determined.
        confidence: Level of the bounds.
        seed: Seeds subsamples and resampling.
    """

    source: Tensor
    held_out: HeldOut
    inputs: Tensor | None
    tolerance: float
    confidence: float
    seed: int

    @cached_property
    def components(self) -> Components:
        r"""The target's directions, best determined first."""
        return learned_components(self.source, self.held_out, self.tolerance, self.confidence, self.seed)

    @cached_property
    def from_inputs(self) -> Interval | None:
        r"""Error of the target learned from the inputs; None where none are known."""
        if self.inputs is None:
            return None

        fit = fit_map(self.inputs, self.held_out.target, None, None, self.seed, draws=self.held_out.draws)

        return relative_rms(
            fit.draw_errors, self.confidence, self.seed, resolved=fit.resolved, slack=fit.slack
        )

r"""What pairs show of one direction of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.findings.direction import Direction
from equiv.regression.kernel_map import Fit
from equiv.shared_part.further import Learned
from equiv.shared_part.held_out import HeldOut
from equiv.shared_part.needed import needed_samples
from equiv.shared_part.readout import Readout, judged_readout

__all__ = ["Asked", "described"]


# Further regressions are learned from at most so many samples, of which copies are kept.
# [samples; chosen: as many as the first regression of a direction takes equations]
MAX_KEPT = 3000


@dataclass(frozen=True)
class Asked:
    r"""What is asked beyond one error, and how sure the answers are to be.

    Attributes:
        tolerance: Largest error that still counts as determined.
        confidence: Level of the bounds.
        seed: Seeds resampling.
        readout: What the rest of the target's network makes of activations; None for none.
        inputs: Entries of the inputs, `(n, m)`; None where none are known.
    """

    tolerance: float
    confidence: float
    seed: int
    readout: Readout | None = None
    inputs: Tensor | None = None


def described(
    direction: Direction,
    fit: Fit,
    source: Tensor,
    target: Tensor,
    doubts: Sequence[str],
    asked: Asked,
) -> Direction:
    r"""A direction with what its samples show beyond one error.

    Arguments:
        direction: The direction with its error.
        fit: The map that it was found by, with its held-out errors.
        source: The source's activations, `(n, d_s)`.
        target: The target's at the same inputs, `(n, d_t)`.
        doubts: Why a large error may be one of the method.
        asked: What is asked.
    """
    held_out = HeldOut.of(fit, target)
    kept = held_out.draws.order(torch.Generator().manual_seed(asked.seed))[:MAX_KEPT].sort().values
    rows = kept if fit.judged is None else fit.judged[kept]
    further = Learned(
        source[rows],
        held_out.subset(kept),
        None if asked.inputs is None else asked.inputs[rows.to(asked.inputs.device)].to(source),
        asked.tolerance,
        asked.confidence,
        asked.seed,
    )

    if asked.readout is not None:
        error, agreement = judged_readout(
            held_out, asked.readout, target.dtype, asked.confidence, asked.seed, fit.resolved
        )
        direction = replace(direction, readout_error=error, readout_agreement=agreement)

    return replace(
        direction,
        by_neuron=held_out.by_neuron,
        identification=held_out.identification(asked.confidence),
        needed=needed_samples(
            direction.error,
            asked.tolerance,
            doubts,
            held_out.draws.count,
            fit.learned or (fit.draw_errors, fit.half),
        ),
        further=further,
    )

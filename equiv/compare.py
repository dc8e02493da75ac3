r"""Have two networks learned the same thing? The door to the whole comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import check_integer, check_number
from equiv.comparison import Comparison
from equiv.observe.observations import Observations
from equiv.observe.progress import Progress, checked_progress, watched
from equiv.paired.compare import compare_paired
from equiv.paired.pairs import check_pairs
from equiv.probing.compared import (
    check_method,
    check_paired,
    check_readout,
    check_sides,
    check_ungrouped,
    checked_anchors,
    checked_pairing,
    position_groups,
    shared_groups,
)
from equiv.probing.inputs import gathered_inputs
from equiv.probing.positions import check_positions
from equiv.probing.sides import Probing, observe_alone, observe_pairs
from equiv.unpaired.compare import compare_unpaired

__all__ = ["compare"]

Network = nn.Module | Callable[..., Any] | Observations
Frames = str | Tensor | Callable[..., Tensor] | dict[str, Any] | None


@torch.inference_mode(False)
def compare(
    a: Network,
    b: Network,
    inputs: Any = None,
    inputs_b: Any = None,
    *,
    paired: bool | None = None,
    layers_a: Sequence[str] | None = None,
    layers_b: Sequence[str] | None = None,
    neurons_a: Sequence[Tensor] | None = None,
    neurons_b: Sequence[Tensor] | None = None,
    frames_a: Frames = "jacobian",
    frames_b: Frames = "jacobian",
    anchors: Any = None,
    groups: Any = None,
    positions: str | None = None,
    readout_a: Callable[[Tensor], Any] | None = None,
    readout_b: Callable[[Tensor], Any] | None = None,
    tolerance: float = 0.05,
    confidence: float = 0.95,
    method: str = "auto",
    seed: int = 0,
    progress: bool | Progress | None = None,
) -> Comparison:
    r"""Finds out whether what is observed of A and of B determine each other, and by which transformation.

    Observe both; then, paired, learn and test the maps between the observations; unpaired, find the intrinsic
    coordinates of each side in the metric of its frames, register them, and test the map that this gives.

    Arguments:
        a: A network, that is a module or any callable from inputs to an array, or observations of it.
        b: Likewise.
        inputs: Inputs of both networks, or of A alone, as in `equiv.probe`; None with observations.
        inputs_b: Inputs of B, where they are others than A's: then nothing is paired unless `paired` is True.
        paired: Whether sample i of A and sample i of B show the same hidden state. None: exactly when
            networks are given without `inputs_b`. For two observations it has to be said.
        layers_a: Layers of A to observe, as in `equiv.probe`. Likewise `layers_b`, `neurons_a`, `neurons_b`.
        layers_b: Layers of B.
        neurons_a: Neurons of A.
        neurons_b: Neurons of B.
        frames_a: Frames of A as in `equiv.probe`, or a dict of its arguments `frames`, `dimension`,
            `burst_std`, `batch_size`. Likewise `frames_b`.
        frames_b: Frames of B.
        anchors: Unpaired only: pairs of sample indices that show exactly the same hidden state, `(k, 2)`.
        groups: Paired only: integer labels `(n,)` of samples that are no independent draws, such as tokens of one
            text, augmentations of one picture or frames of one recording. A group is held out whole, and the error
            is that on new groups. They override those of observations; None: these, or such as are found. With
            `positions="each"` the label of an input is that of its positions.
        positions: What becomes of outputs with positions, as in `equiv.probe`.
        readout_a: What the rest of A makes of the activations observed of it (logits, an energy), from
            `(b, d_a)` to `(b, ...)`. The direction to A then says what is lost for A's task. A module is called
            in eval mode, in its own dtype and on its device. Likewise `readout_b`.
        readout_b: The same of B.
        tolerance: Largest error that still counts as determined, a share of the target's RMS spread, in (0,
            1).
        confidence: Level of the error bounds, in (0, 1).
        method: Coordinates of an unpaired comparison: "isometric" (a flat chart); "galerkin" or
            "diffusion_maps" (eigenfunctions, registered, and refined until T carries the one metric to the
            other: for curved spaces, and less accurate where there is a chart); "auto": a flat chart, and
            eigenfunctions where neither side has one.
        seed: Seeds whatever is drawn at random; the global random state is left alone.
        progress: True for a bar on stderr, or a callable `(done, total, label)`; None for neither.

    Returns:
        The comparison; `compare(b, a)` is its mirror image.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If arguments contradict each other or the data.

    References:
        | Transformations between deep neural networks (Bertalan, Dietrich and Kevrekidis, 2020)
        | https://arxiv.org/abs/2007.05646

    Example:
        >>> import torch
        >>> a = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
        >>> b = nn.Sequential(a, nn.Linear(8, 8))
        >>> print(compare(a, b, torch.rand(200, 2)).verdict)
        equivalent
    """
    tolerance = check_number(
        tolerance, "tolerance", 0.0, 1.0, "it is a share of the target's spread, such as 0.05"
    )
    confidence = check_number(confidence, "confidence", 0.0, 1.0, "take 0.95")
    seed = check_integer(seed, "seed", 0)
    show = checked_progress(progress)
    check_positions(positions)
    check_method(method)
    inputs, inputs_b = gathered_inputs(inputs), gathered_inputs(inputs_b)
    side_a = Probing(a, inputs, layers_a, neurons_a, frames_a, positions)
    side_b = Probing(b, inputs if inputs_b is None else inputs_b, layers_b, neurons_b, frames_b, positions)
    check_readout(readout_a, "a")
    check_readout(readout_b, "b")
    check_sides(side_a, side_b)

    in_pairs = checked_pairing(paired, side_a, side_b, inputs_b)

    with watched(show, 2 if in_pairs else 3) as seen:
        if in_pairs:
            seen.stage("observing both networks")
            (observed_a, observed_b), local = observe_pairs([side_a, side_b])
            check_paired(observed_a, observed_b, anchors)
            check_pairs("'a' and 'b'", [observed_a, observed_b])
            seen.stage("learning the maps between them")
            labels = position_groups(groups, [observed_a, observed_b]) if positions == "each" else groups
            entries_a, entries_b = (side.entries(len(observed_a)) for side in (side_a, side_b))
            found = compare_paired(
                observed_a,
                observed_b,
                tolerance=tolerance,
                confidence=confidence,
                seed=seed,
                local=None if local is None else (local[0], local[1]),
                groups=shared_groups(labels, [observed_a, observed_b]),
                readouts=(readout_a, readout_b),
                # Where one side was recorded, the inputs of the other are the same.
                inputs=(
                    entries_b if entries_a is None else entries_a,
                    entries_a if entries_b is None else entries_b,
                ),
            )
            seen.finish(str(found.verdict))

            return _with_reasons(found, {observed_a.unframed, observed_b.unframed} - {None})

        check_ungrouped(groups)
        seen.stage("observing A")
        observed_a = observe_alone(side_a, "a")
        seen.stage("observing B")
        observed_b = observe_alone(side_b, "b")
        known = checked_anchors(anchors, len(observed_a), len(observed_b))
        seen.stage("charting and registering both")
        found = compare_unpaired(
            observed_a,
            observed_b,
            known,
            method=method,
            tolerance=tolerance,
            confidence=confidence,
            seed=seed,
            readouts=(readout_a, readout_b),
        )
        seen.finish(str(found.verdict))

        return found


def _with_reasons(found: Comparison, unframed: set[str | None]) -> Comparison:
    r"""The comparison, whose diagnostics say why it was made without frames, where it was."""
    if not unframed:
        return found

    said = "; ".join(sorted(map(str, unframed)))

    return replace(found, diagnostics=found.diagnostics | {"frames": f"values alone: {said}"})

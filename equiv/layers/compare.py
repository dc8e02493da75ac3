r"""Every layer of one network against every layer of another, both ways: `compare_layers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import check_integer, check_number
from equiv.layers.cka import debiased_bytes, debiased_matrix
from equiv.layers.errors import Asked, Judged, errors_between, widened
from equiv.layers.matrix import LayerMatrix
from equiv.layers.record import MAX_LAYERS, Recorded, recorded
from equiv.layers.source import MAX_SAMPLES
from equiv.metric.binary_scale import binary_scale
from equiv.observe.draws import Draws
from equiv.observe.memory import check_memory
from equiv.observe.observations import Observations, place
from equiv.observe.progress import Progress, checked_progress, watched
from equiv.probing.compared import position_groups, shared_groups
from equiv.probing.inputs import gathered_inputs
from equiv.probing.positions import agreed_mask, check_positions
from equiv.probing.sides import Probing
from equiv.regression.bounds import MIN_SAMPLES
from equiv.regression.paired_draws import MIN_DRAWS, paired_draws
from equiv.verdict import Sentence, Verdict, decide

__all__ = ["compare_layers"]

# What regressions from a layer hold of it, and of the errors that they leave of another,
# [bytes a number; measured: 20 at 300 samples of 5,000 neurons, 80 at 600 of 2,000]
NUMBER_BYTES = 40

# and of a kernel matrix, its spectrum, and what is computed from them.
# [bytes a pair; measured: 145 to 170 at 1,500 samples]
PAIR_BYTES = 160


def compare_layers(
    network_a: nn.Module | Callable[..., Any] | Mapping[str, Any],
    network_b: nn.Module | Callable[..., Any] | Mapping[str, Any],
    inputs: Any = None,
    *,
    layers_a: Sequence[str] | None = None,
    layers_b: Sequence[str] | None = None,
    positions: str | None = None,
    groups: Any = None,
    tolerance: float = 0.05,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool | Progress | None = None,
) -> LayerMatrix:
    r"""Finds out which layers of two networks determine each other, and which answer to each other.

    One search and one factorisation for each ridge of a source layer serve all layers that it is mapped to, so that
    the cost is that of :math:`L_a + L_b` regressions and not of twice :math:`L_a L_b`. Layers are compared by their
    values alone: a pair that matters can be given to `equiv.compare`.

    Arguments:
        network_a: A network, or a dict of recorded arrays `(n, ...)` by layer name. Of callables and TorchScript the
            output is the only layer, `""`. Of an `attention_mask` `(n, T)` among the arrays, or among the inputs, all
            `positions` but None leave out what is not 1.
        network_b: Likewise, at the same inputs.
        inputs: Inputs of the networks, and what their layers are held against; may be None with arrays alone.
        layers_a: Names of A's layers; None: all that compute something, at most 24, evenly chosen, which the summary
            says. Likewise `layers_b`.
        layers_b: Names of B's.
        positions: As in `equiv.probe`: what becomes of outputs with positions, such as tokens, also of recorded ones.
        groups: Integer labels `(n,)` of samples that are no independent draws, as in `equiv.compare`.
        tolerance: Largest error that still counts as determined, a share of the target's RMS spread, in (0, 1).
        confidence: Level of the error bounds, in (0, 1).
        seed: Seeds whatever is drawn at random; the global random state is left alone.
        progress: True for a bar on stderr, or a callable `(done, total, label)`.

    Returns:
        The matrix of both directions.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If arguments contradict each other or the data.

    Example:
        >>> a = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8))
        >>> b = nn.Sequential(nn.Linear(2, 6), nn.Tanh())
        >>> matrix = compare_layers(a, b, torch.rand(100, 2))
        >>> matrix.layers_a, matrix.layers_b
        (('0', '1', '2'), ('0', '1'))
    """
    tolerance = check_number(
        tolerance, "tolerance", 0.0, 1.0, "it is a share of the target's spread, such as 0.05"
    )
    confidence = check_number(confidence, "confidence", 0.0, 1.0, "take 0.95")
    seed = check_integer(seed, "seed", 0)
    told = checked_progress(progress)
    check_positions(positions)
    inputs = gathered_inputs(inputs)
    mask = agreed_mask({"inputs": inputs, "network_a": network_a, "network_b": network_b})

    with watched(told, 1) as seen:
        seen.stage("observing both networks")
        a = recorded(network_a, inputs, layers_a, positions, "a", mask)
        b = recorded(network_b, inputs, layers_b, positions, "b", mask)

        if len(a) != len(b):
            raise ValueError(
                f"'network_a' and 'network_b' should be seen at the same inputs, got {len(a)} and {len(b)} samples; "
                "record both at the same ones."
            )

        sides = [a.observations, b.observations]
        _check_memory(a, b)
        draws, doubted = _draws(sides, position_groups(groups, sides) if positions == "each" else groups)
        kept = draws.order(torch.Generator().manual_seed(seed))[:MAX_SAMPLES].sort().values
        seen_a, seen_b = ([values[kept] for values in side.values.values()] for side in (a, b))
        entries = _entries(inputs, kept, a)
        asked = Asked(tolerance, confidence, seed, seen, None if entries is None else entries.shape[1])
        there, back, by_inputs = errors_between(seen_a, seen_b, entries, draws.subset(kept), asked)

        if doubted is not None:
            fewer = errors_between(seen_a, seen_b, entries, doubted.subset(kept), asked)
            there, back, by_inputs = widened(fewer[0], there), widened(fewer[1], back), fewer[2]

        blocking = _blocking(draws)
        decided = [
            [
                decide(
                    one.error,
                    other.error,
                    tolerance,
                    confidence=confidence,
                    blocking=blocking,
                    doubts_a_to_b=one.doubts,
                    doubts_b_to_a=other.doubts,
                )
                for one, other in zip(row, column, strict=True)
            ]
            for row, column in zip(there, zip(*back, strict=True), strict=True)
        ]

        seen.finish("layers")

        return _matrix(
            a,
            b,
            there,
            back,
            decided,
            by_inputs,
            debiased_matrix(seen_a, seen_b),
            tolerance,
            confidence,
            _notes(a, b, draws, doubted),
        )


def _matrix(
    a: Recorded,
    b: Recorded,
    there: list[list[Judged]],
    back: list[list[Judged]],
    decided: list[list[tuple[Verdict, Sentence]]],
    by_inputs: tuple[Tensor, Tensor],
    cka: Tensor,
    tolerance: float,
    confidence: float,
    notes: list[str],
) -> LayerMatrix:
    r"""What was found, A's layers as rows in all that is kept."""
    a_to_b = torch.tensor([[list(cell.error) for cell in row] for row in there], dtype=torch.float64)
    b_to_a = torch.tensor(
        [[list(cell.error) for cell in row] for row in back], dtype=torch.float64
    ).transpose(0, 1)

    return LayerMatrix(
        layers_a=tuple(a.values),
        layers_b=tuple(b.values),
        a_to_b=a_to_b[:, :, 0],
        a_to_b_low=a_to_b[:, :, 1],
        a_to_b_high=a_to_b[:, :, 2],
        b_to_a=b_to_a[:, :, 0],
        b_to_a_low=b_to_a[:, :, 1],
        b_to_a_high=b_to_a[:, :, 2],
        verdicts=[[verdict for verdict, _ in row] for row in decided],
        sentences=[[str(sentence) for _, sentence in row] for row in decided],
        from_inputs_a=by_inputs[0],
        from_inputs_b=by_inputs[1],
        cka=cka,
        samples=len(a),
        notes=tuple(notes),
        tolerance=tolerance,
        confidence=confidence,
    )


def _check_memory(a: Recorded, b: Recorded) -> None:
    r"""Refuses layers that with a regression from the widest, and A's Gram matrices, would take too much memory."""
    n = min(len(a), MAX_SAMPLES)
    layers = [*a.values.values(), *b.values.values()]
    copied = sum(n * values.shape[1] * values.element_size() for values in layers)
    widest = max(values.shape[1] for values in layers)
    check_memory(
        NUMBER_BYTES * n * widest + PAIR_BYTES * n**2 + copied + debiased_bytes(len(a.values), n),
        "'network_a' and 'network_b'",
        f"{len(a.values)} and {len(b.values)} layers at {n} samples",
        "take fewer samples, layers or neurons",
        layers[0].device,
    )


def _draws(sides: list[Observations], groups: Any) -> tuple[Draws, Draws | None]:
    r"""The independent draws, as given or found, and those that they cannot be told from."""
    sides = sorted(sides, key=lambda side: place(side.values))

    return paired_draws(sides[0].values, sides[1].values, shared_groups(groups, sides))


def _entries(inputs: Any, kept: Tensor, a: Recorded) -> Tensor | None:
    r"""Entries of the inputs at the samples that are kept, `(l, m)`; None where there is not one input for each."""
    entries = Probing(nn.Identity(), inputs).entries(len(a))

    if entries is None:
        return None

    return binary_scale(entries).values(entries)[kept.to(entries.device)].to(kept.device)


def _blocking(draws: Draws) -> list[str]:
    r"""Reasons that forbid a conclusion."""
    what, least = ("samples", MIN_SAMPLES) if draws.independent else ("groups", MIN_DRAWS)

    return [] if draws.count >= least else [f"{draws.count} {what} are too few, at least {least} are needed"]


def _notes(a: Recorded, b: Recorded, draws: Draws, doubted: Draws | None) -> list[str]:
    r"""What else has to be said."""
    left = [
        f"{side.left_out} more layers of {name} compute something, of which {MAX_LAYERS} were chosen evenly"
        for name, side in (("A", a), ("B", b))
        if side.left_out
    ]
    left += [
        f"layers of {name} left out, since they have other positions than most, or none: {side.elsewhere}"
        for name, side in (("A", a), ("B", b))
        if side.elsewhere
    ]
    grouped = [] if draws.independent and doubted is None else [(doubted or draws).said]
    some = [f"maps were learned from {MAX_SAMPLES} of the samples"] if len(a) > MAX_SAMPLES else []

    return left + grouped + some

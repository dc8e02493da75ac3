r"""Have two networks learned the same thing? The door to the whole comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import check_integer, check_number, nearest_name
from equiv.comparison import Comparison
from equiv.observe.observations import Observations
from equiv.observe.sides import Probing, observe_alone, observe_pairs
from equiv.paired.compare import compare_paired
from equiv.unpaired.compare import compare_unpaired

__all__ = ["METHODS", "compare"]

METHODS = ("auto", "isometric", "diffusion_maps", "galerkin")
PROBED = ("frames", "dimension", "burst_std", "batch_size")
Side = nn.Module | Observations
Frames = str | Tensor | Callable[..., Tensor] | dict[str, Any] | None


def compare(
    a: Side,
    b: Side,
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
    tolerance: float = 0.05,
    confidence: float = 0.95,
    method: str = "auto",
    seed: int = 0,
) -> Comparison:
    r"""Finds out whether what is observed of A and of B determine each other, and by which transformation.

    Observe both; then, paired, learn and test the maps between the observations; unpaired, find the intrinsic
    coordinates of each side in the metric of its frames, register them, and test the map that this gives.

    Arguments:
        a: A network, or observations of it.
        b: Likewise.
        inputs: Inputs of both networks, or of A alone; None with observations.
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
        tolerance: Largest error that still counts as determined, a share of the target's RMS spread, in (0,
            1).
        confidence: Level of the error bounds, in (0, 1).
        method: Coordinates of an unpaired comparison: "isometric" (a flat chart); "galerkin" or
            "diffusion_maps" (eigenfunctions, registered, and refined until T carries the one metric to the
            other: for curved spaces, and less accurate where there is a chart); "auto": a flat chart, and
            eigenfunctions where neither side has one.
        seed: Seeds whatever is drawn at random; the global random state is left alone.

    Returns:
        The comparison; `compare(b, a)` is its mirror image.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If arguments contradict each other or the data.

    References:
        | Transformations between deep neural networks (Bertalan, Dietrich and Kevrekidis, 2020)
        | https://arxiv.org/abs/2007.05646
    """
    tolerance = check_number(
        tolerance, "tolerance", 0.0, 1.0, "it is a share of the target's spread, such as 0.05"
    )
    confidence = check_number(confidence, "confidence", 0.0, 1.0, "take 0.95")
    seed = check_integer(seed, "seed", 0)
    _check_method(method)
    _check_sides(a, b, inputs, inputs_b)
    _check_probed("a", a, layers_a, neurons_a, frames_a)
    _check_probed("b", b, layers_b, neurons_b, frames_b)
    paired = _is_paired(a, b, inputs_b, paired)

    side_a = Probing(a, inputs, layers_a, neurons_a, frames_a)
    side_b = Probing(b, inputs if inputs_b is None else inputs_b, layers_b, neurons_b, frames_b)

    if paired:
        (observed_a, observed_b), local = observe_pairs([side_a, side_b])
        _check_paired(observed_a, observed_b, anchors)

        return compare_paired(
            observed_a,
            observed_b,
            tolerance=tolerance,
            confidence=confidence,
            seed=seed,
            local=None if local is None else (local[0], local[1]),
        )

    observed_a, observed_b = observe_alone(side_a, "frames_a"), observe_alone(side_b, "frames_b")

    for name, observed in (("a", observed_a), ("b", observed_b)):
        if observed.frames is None:
            raise ValueError(
                f"'{name}' should have frames in an unpaired comparison, got values alone; give frames "
                f"(frames_{name}='jacobian', tangents or bursts), or say paired=True for samples in pairs."
            )

    known = None if anchors is None else _checked_anchors(anchors, len(observed_a), len(observed_b))

    return compare_unpaired(
        observed_a, observed_b, known, method=method, tolerance=tolerance, confidence=confidence, seed=seed
    )


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise ValueError(
            f"'method' should be one of {', '.join(map(repr, METHODS))}, got {method!r}"
            f"{nearest_name(str(method), METHODS)}"
        )


def _check_sides(a: Side, b: Side, inputs: Any, inputs_b: Any) -> None:
    for name, side, given in (("a", a, inputs), ("b", b, inputs if inputs_b is None else inputs_b)):
        if not isinstance(side, nn.Module | Observations):
            raise TypeError(
                f"'{name}' should be a torch.nn.Module or equiv.Observations, got {type(side).__name__}; "
                "wrap recorded arrays in equiv.Observations."
            )

        if isinstance(side, nn.Module) and given is None:
            raise ValueError(
                f"'inputs' should be given where '{name}' is a network, got None; give its inputs."
            )

    if (
        isinstance(a, Observations)
        and isinstance(b, Observations)
        and not (inputs is None and inputs_b is None)
    ):
        raise ValueError(
            "'inputs' should be None where 'a' and 'b' are Observations, got inputs; leave them out, "
            "observations hold all that is compared."
        )


def _check_probed(name: str, side: Side, layers: Any, neurons: Any, frames: Frames) -> None:
    r"""What is said about probing has to be known, and is in vain where nothing is probed."""
    if isinstance(frames, dict) and (unknown := [key for key in frames if key not in PROBED]):
        raise ValueError(
            f"'frames_{name}' should hold arguments of equiv.probe, {', '.join(map(repr, PROBED))}, got "
            f"{unknown[0]!r}{nearest_name(str(unknown[0]), PROBED)}"
        )

    if not isinstance(side, Observations):
        return

    probed = isinstance(frames, str) and frames == "jacobian"  # what stands there when nothing is said
    for argument, idle in (("layers", layers is None), ("neurons", neurons is None), ("frames", probed)):
        if not idle:
            raise ValueError(
                f"'{argument}_{name}' should be left out where '{name}' is Observations, got one; it says how "
                "to probe a network, observations are compared as they are."
            )


def _is_paired(a: Side, b: Side, inputs_b: Any, paired: bool | None) -> bool:
    if paired is not None:
        if not isinstance(paired, bool):
            raise TypeError(f"'paired' should be True, False or None, got {paired!r}.")

        return paired

    if isinstance(a, nn.Module) and isinstance(b, nn.Module):
        return inputs_b is None

    raise ValueError(
        "'paired' should be said where observations are given, got None; equal length is no evidence. Pass "
        "paired=True if row i of both shows the same input, else paired=False."
    )


def _check_paired(a: Observations, b: Observations, anchors: Any) -> None:
    if anchors is not None:
        raise ValueError(
            "'anchors' should be None for paired data, where every sample is one, got anchors; leave them "
            "out, or say paired=False."
        )

    if len(a) != len(b):
        raise ValueError(
            f"'a' and 'b' should have as many samples as each other when paired, got {len(a)} and {len(b)}; "
            "say paired=False if they are unrelated samples."
        )


def _checked_anchors(anchors: Any, n_a: int, n_b: int) -> Tensor:
    pairs = torch.as_tensor(anchors)

    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0:
        raise ValueError(
            f"'anchors' should have shape (k, 2) with k of at least 1, got {tuple(pairs.shape)}; give rows "
            "(index in a, index in b), or None for no anchors."
        )

    if pairs.is_floating_point() or pairs.is_complex() or pairs.dtype == torch.bool:
        raise TypeError(f"'anchors' should hold integer indices, got {pairs.dtype}; give an int64 tensor.")

    for column, (name, n) in enumerate((("a", n_a), ("b", n_b))):
        indices = pairs[:, column]

        if indices.min() < 0 or indices.max() >= n:
            raise ValueError(
                f"'anchors' should hold indices from 0 to {n - 1} of the samples of '{name}', got "
                f"{indices.min().item()} to {indices.max().item()}; count samples from 0."
            )

        if len(indices.unique()) < len(indices):
            raise ValueError(
                f"'anchors' should name each sample of '{name}' once, got one of them twice; drop "
                "the repeats."
            )

    return pairs.long()

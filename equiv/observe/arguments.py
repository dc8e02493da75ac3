r"""What `probe` accepts: inputs, bursts and tangents of one structure."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiv.checks import check_finite, check_integer
from equiv.observe.hooks import Inputs, input_tensors, with_tensors

__all__ = ["checked_bursts", "checked_inputs", "checked_kind", "checked_tangents"]


def checked_inputs(inputs: Any) -> Inputs:
    r"""The inputs as tensors, all with the same number of samples."""
    if isinstance(inputs, dict):
        given: Inputs = {name: _as_tensor(value, f"inputs[{name!r}]") for name, value in inputs.items()}
    elif isinstance(inputs, tuple | list):
        given = tuple(_as_tensor(value, f"inputs[{k}]") for k, value in enumerate(inputs))
    else:
        given = _as_tensor(inputs, "inputs")

    tensors = input_tensors(given)

    if not tensors:
        raise ValueError(
            "'inputs' should hold at least one tensor, got none; pass the samples that the network takes."
        )

    if len({len(t) for t in tensors}) > 1:
        raise ValueError(
            "'inputs' should hold tensors with the same number of samples first, "
            f"got {[len(t) for t in tensors]}."
        )

    return given


def _as_tensor(value: Any, name: str) -> Tensor:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)

    if not isinstance(value, Tensor):
        raise TypeError(
            f"'{name}' should be a tensor of shape (n, *input_shape), got {type(value).__name__}; "
            "convert it with torch.as_tensor."
        )

    if value.ndim == 0 or value.numel() == 0:
        raise ValueError(
            f"'{name}' should have shape (n, *input_shape), got {tuple(value.shape)}; add samples."
        )

    if value.is_floating_point():
        check_finite(value, name)

    return value.detach()


def checked_kind(frames: Any, dimension: int | None, burst_std: float | None) -> str:
    r"""Which of the five ways to make frames is meant."""
    if frames is None:
        kind = "none"
    elif isinstance(frames, str):
        kind = frames
    elif isinstance(frames, Tensor | np.ndarray | tuple | list | dict):
        kind = "tangents"
    elif callable(frames):
        kind = "bursts"
    else:
        kind = ""

    if kind not in ("none", "jacobian", "neighbors", "tangents", "bursts"):
        raise ValueError(
            '\'frames\' should be "jacobian", "neighbors", a tensor of tangents, a callable or None, '
            f"got {frames!r}."
        )

    if kind == "bursts" and burst_std is None:
        raise ValueError(
            "'burst_std' should be the bursts' standard deviation along each unit direction, got None; "
            "frames from bursts have no scale without it."
        )

    if kind != "bursts" and burst_std is not None:
        raise ValueError(
            f"'burst_std' should be None without bursts, got {burst_std!r}; pass bursts as 'frames'."
        )

    if dimension is not None:
        check_integer(dimension, "dimension")

        if kind not in ("bursts", "neighbors"):
            raise ValueError(
                f"'dimension' should be None unless frames come from bursts or neighbours, got {dimension}; "
                "the inputs or tangents fix it."
            )

    return kind


def checked_bursts(bursts: Any, given: Inputs) -> tuple[Inputs, int]:
    r"""The bursts as one long batch, and how many belong to each input."""
    if isinstance(given, dict):
        parts = (
            [bursts[name] for name in given] if isinstance(bursts, dict) and set(bursts) == set(given) else []
        )
    elif isinstance(given, tuple):
        parts = list(bursts) if isinstance(bursts, tuple | list) and len(bursts) == len(given) else []
    else:
        parts = [bursts]

    tensors = input_tensors(given)

    if not parts:
        raise TypeError(
            f"'frames(inputs)' should be built as 'inputs', a {type(given).__name__}, got {bursts!r}."
        )

    parts = [_as_tensor(part, "frames(inputs)") for part in parts]
    sizes = {part.shape[1] if part.ndim > 1 else 0 for part in parts}

    for part, x in zip(parts, tensors, strict=True):
        if part.ndim != x.ndim + 1 or len(part) != len(x) or part.shape[2:] != x.shape[1:] or len(sizes) > 1:
            raise ValueError(
                f"'frames(inputs)' should have shape (n, b, *input_shape) = ({len(x)}, b, "
                f"{', '.join(map(str, x.shape[1:]))}), got {tuple(part.shape)}."
            )

    b = sizes.pop()

    if b < 2:
        raise ValueError(f"'frames(inputs)' should hold at least 2 neighbours of each input, got {b}.")

    return with_tensors(given, [part.reshape(-1, *part.shape[2:]) for part in parts]), b


def checked_tangents(frames: Any, given: Inputs) -> list[Tensor]:
    r"""Tangent vectors for each floating input."""
    if isinstance(given, dict):
        parts = (
            [frames[name] for name in given] if isinstance(frames, dict) and set(frames) == set(given) else []
        )
    elif isinstance(given, tuple):
        parts = list(frames) if isinstance(frames, tuple | list) and len(frames) == len(given) else []
    else:
        parts = [frames]

    if not parts:
        raise TypeError(
            f"'frames' should be built as 'inputs', a {type(given).__name__}, got {type(frames).__name__}."
        )

    pairs = [(p, x) for p, x in zip(parts, input_tensors(given), strict=True) if x.is_floating_point()]
    tangents = [_as_tensor(part, "frames") for part, _ in pairs]

    for t, (_, x) in zip(tangents, pairs, strict=True):
        if t.ndim != x.ndim + 1 or t.shape[:-1] != x.shape or t.shape[-1] != tangents[0].shape[-1]:
            raise ValueError(
                f"'frames' should have shape (n, *input_shape, m) = ({', '.join(map(str, x.shape))}, m), "
                f"got {tuple(t.shape)}."
            )

        if not t.is_floating_point():
            raise TypeError(
                f"'frames' should hold floating tangent vectors, got {t.dtype}; convert with .float()."
            )

    return tangents

r"""What `probe` accepts as frames: bursts and tangents of the structure of the inputs."""

from typing import Any

import numpy as np
from torch import Tensor

from equiv.checks import check_integer
from equiv.probing.inputs import Inputs, checked_tensor, input_tensors, with_tensors

__all__ = ["checked_bursts", "checked_kind", "checked_tangents"]


def checked_kind(frames: Any, dimension: int | None, burst_std: float | None) -> str:
    r"""Which of the five ways to make frames is meant: "none", "jacobian", "neighbors", "tangents" or "bursts".

    Raises:
        TypeError: If `dimension` is no integer.
        ValueError: If `frames` is none of them, or `dimension` or `burst_std` is missing or in vain.
    """
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
            f"got {frames!r}; leave it out for the exact ones."
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
    r"""The bursts as one long batch, `(n b, *input_shape)`, and how many belong to each input, b.

    Arguments:
        bursts: What the callable gave, built as the inputs, `(n, b, *input_shape)`.
        given: The inputs.

    Raises:
        TypeError: If they are built otherwise.
        ValueError: If shapes disagree, they are not finite, or there are fewer than 2 for each input.
    """
    tensors = input_tensors(given)
    parts = [checked_tensor(part, "frames(inputs)") for part in _parts(bursts, given, "frames(inputs)")]
    sizes = {part.shape[1] if part.ndim > 1 else 0 for part in parts}

    for part, x in zip(parts, tensors, strict=True):
        if part.is_floating_point() != x.is_floating_point():
            raise TypeError(
                f"'frames(inputs)' should be of the kind of 'inputs', {x.dtype}, got {part.dtype}; convert it with "
                ".to(inputs.dtype)."
            )

        if part.ndim != x.ndim + 1 or len(part) != len(x) or part.shape[2:] != x.shape[1:] or len(sizes) > 1:
            raise ValueError(
                f"'frames(inputs)' should have shape (n, b, *input_shape) = ({len(x)}, b, "
                f"{', '.join(map(str, x.shape[1:]))}), got {tuple(part.shape)}; put the neighbours second."
            )

    b = sizes.pop()

    if b < 2:
        raise ValueError(
            f"'frames(inputs)' should hold at least 2 neighbours of each input, got {b}; draw more of them."
        )

    return with_tensors(given, [part.reshape(-1, *part.shape[2:]) for part in parts]), b


def checked_tangents(frames: Any, given: Inputs) -> list[Tensor]:
    r"""Tangent vectors for each floating input, `(n, *input_shape, m)`, m the same for all.

    Raises:
        TypeError: If they are built otherwise than the inputs, or no floating tensors.
        ValueError: If shapes disagree, or they are not finite.
    """
    parts = _parts(frames, given, "frames")
    pairs = [(p, x) for p, x in zip(parts, input_tensors(given), strict=True) if x.is_floating_point()]
    tangents = [checked_tensor(part, "frames") for part, _ in pairs]

    for t, (_, x) in zip(tangents, pairs, strict=True):
        if t.ndim != x.ndim + 1 or t.shape[:-1] != x.shape or t.shape[-1] != tangents[0].shape[-1]:
            raise ValueError(
                f"'frames' should have shape (n, *input_shape, m) = ({', '.join(map(str, x.shape))}, m), "
                f"got {tuple(t.shape)}; put the directions last."
            )

        if not t.is_floating_point():
            raise TypeError(
                f"'frames' should hold floating tangent vectors, got {t.dtype}; convert with .float()."
            )

    return tangents


def _parts(value: Any, given: Inputs, name: str) -> list[Any]:
    r"""What belongs to each of the inputs, in their order, of a tensor, tuple or dictionary built as these."""
    if isinstance(given, Tensor):
        return [value]

    if isinstance(given, dict) and isinstance(value, dict) and set(value) == set(given):
        return [value[key] for key in given]

    if isinstance(given, tuple) and isinstance(value, tuple | list) and len(value) == len(given):
        return list(value)

    names = f"with the names {list(given)}" if isinstance(given, dict) else f"of {len(given)}"
    raise TypeError(
        f"'{name}' should be built as 'inputs', a {type(given).__name__} {names}, got {type(value).__name__}; "
        "give one entry for each of them."
    )

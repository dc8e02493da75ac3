r"""Inputs of a network: tensors, tuples and dictionaries of them, and whatever else holds such."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from equiv.checks import as_array, check_finite

__all__ = [
    "ATTENTION_MASK",
    "ONE_AT_A_TIME",
    "Inputs",
    "Loaded",
    "batch_of",
    "checked_inputs",
    "checked_mask",
    "checked_tensor",
    "gathered_inputs",
    "holds_arrays",
    "input_tensors",
    "moving_tensors",
    "with_tensors",
]

# One tensor, or several that the network takes by position or by name.
Inputs = Tensor | tuple[Tensor, ...] | dict[str, Tensor]

# The name among inputs of the mask `(n, T)` that says which positions count.
ATTENTION_MASK = "attention_mask"

# Held while a network is probed. Modes and hooks belong to networks, which may share layers; the switches of attention,
# the random state and the level of forward-mode derivatives to the whole process: one thread at a time changes them.
ONE_AT_A_TIME = threading.RLock()


class Loaded(tuple):
    r"""Entries of a loader's batches, labels perhaps among them: a network takes those it cannot do without."""


def input_tensors(inputs: Inputs) -> list[Tensor]:
    r"""The tensors of the inputs, in order."""
    if isinstance(inputs, Tensor):
        return [inputs]

    return list(inputs.values()) if isinstance(inputs, dict) else list(inputs)


def moving_tensors(inputs: Inputs) -> list[Tensor]:
    r"""Those of the tensors that a network can be differentiated by, the floating ones."""
    return [tensor for tensor in input_tensors(inputs) if tensor.is_floating_point()]


def with_tensors(inputs: Inputs, tensors: Sequence[Tensor]) -> Inputs:
    r"""Inputs of the same structure, holding other tensors."""
    if isinstance(inputs, Tensor):
        return tensors[0]

    if isinstance(inputs, dict):
        return dict(zip(inputs, tensors, strict=True))

    return type(inputs)(tensors)


def batch_of(inputs: Inputs, index: slice | Tensor) -> Inputs:
    r"""Some of the samples."""
    return with_tensors(inputs, [t[index] for t in input_tensors(inputs)])


def holds_arrays(inputs: Any) -> bool:
    r"""Whether inputs are NumPy arrays, or hold some."""
    held = [inputs[key] for key in inputs.keys()] if hasattr(inputs, "keys") else inputs  # noqa: SIM118

    return isinstance(held, np.ndarray) or (
        isinstance(held, tuple | list) and any(isinstance(each, np.ndarray) for each in held)
    )


def gathered_inputs(inputs: Any) -> Any:
    r"""What a DataLoader yields, run through once, in order, as tensors of all samples; anything else as it is.

    Raises:
        TypeError: If a batch is neither a tensor nor made of some.
        ValueError: If the loader is empty, or batches differ in what they are made of or in their shapes.
    """
    if not isinstance(inputs, DataLoader):
        return inputs

    with (
        ONE_AT_A_TIME,
        torch.random.fork_rng([]),
    ):  # a loader draws a seed for its workers, whether it has some or none
        batches = [checked_inputs(batch) for batch in inputs]

    if not batches:
        raise ValueError(
            "'inputs' should yield at least one batch, got a DataLoader without any; add samples."
        )

    columns = list(zip(*map(input_tensors, batches), strict=False))
    shapes = {tuple(tuple(t.shape[1:]) for t in input_tensors(batch)) for batch in batches}

    if len(shapes) > 1:
        raise ValueError(
            f"'inputs' should be a DataLoader whose batches differ in length alone, got shapes "
            f"{' and '.join(map(str, sorted(shapes)[:2]))} behind the samples; pad all samples to one length."
        )

    whole = with_tensors(batches[0], [torch.cat(parts) for parts in columns])

    return Loaded(whole) if isinstance(whole, tuple) else whole


def checked_inputs(inputs: Any) -> Inputs:
    r"""The inputs as tensors without a gradient, in the structure given, all with the same number of samples.

    Sparse tensors are made dense, since samples are taken from them.

    Raises:
        TypeError: If one is neither a tensor nor an array.
        ValueError: If there are none, they are empty, not finite, or differ in their numbers of samples; if an
            attention mask is none.
    """
    given: Inputs

    if hasattr(inputs, "keys") and not isinstance(inputs, Tensor):
        given = {name: checked_tensor(value, f"inputs[{name!r}]") for name, value in _items(inputs)}
    elif isinstance(inputs, tuple | list):
        held = [checked_tensor(value, f"inputs[{k}]") for k, value in enumerate(inputs)]
        given = Loaded(held) if isinstance(inputs, Loaded) else tuple(held)
    else:
        given = checked_tensor(inputs, "inputs")

    tensors = input_tensors(given)

    if not tensors:
        raise ValueError(
            "'inputs' should hold at least one tensor, got none; pass the samples that the network takes."
        )

    if len({len(t) for t in tensors}) > 1:
        raise ValueError(
            "'inputs' should hold tensors with the same number of samples first, "
            f"got {[len(t) for t in tensors]}; pass as many of each."
        )

    if isinstance(given, dict) and ATTENTION_MASK in given:
        given[ATTENTION_MASK] = checked_mask(given[ATTENTION_MASK], f"inputs[{ATTENTION_MASK!r}]")

    return given


def _items(inputs: Any) -> Iterator[tuple[str, Any]]:
    r"""Names and values of anything with `keys()`."""
    return ((name, inputs[name]) for name in inputs.keys())  # noqa: SIM118


def checked_tensor(value: Any, name: str) -> Tensor:
    r"""The value as a dense tensor without a gradient, its samples first.

    Raises:
        TypeError: If it is neither a tensor nor an array.
        ValueError: If it is empty, or floating and not finite.
    """
    value = as_array(
        value,
        name,
        "(n, *input_shape)",
        "convert it with torch.as_tensor (a tokenizer: return_tensors='pt'), a Dataset with a DataLoader",
    ).detach()

    if value.ndim == 0 or value.numel() == 0:
        raise ValueError(
            f"'{name}' should have shape (n, *input_shape), got {tuple(value.shape)}; add samples."
        )

    if value.is_floating_point():
        check_finite(value, name)

    return value


def checked_mask(mask: Tensor, name: str) -> Tensor:
    r"""A mask `(n, T)` of zeros and ones, of integers or booleans: nothing to differentiate by.

    Raises:
        ValueError: If it is of another shape, holds something else, or leaves out all of a sample.
    """
    whole = mask.to(torch.int64)

    if mask.ndim != 2 or not ((whole == mask) & (whole >= 0) & (whole <= 1)).all() or not whole.any(1).all():
        raise ValueError(
            f"'{name}' should be (n, T), 1 at tokens and 0 at padding, with a token in each "
            f"sample, got shape {tuple(mask.shape)} with values {mask.min().item():g} to {mask.max().item():g}; "
            "pass the tokenizer's own."
        )

    return whole if mask.is_floating_point() else mask

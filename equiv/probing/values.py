r"""Probing values: activations of all samples, batch by batch, each sample by itself."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from equiv.observe.memory import check_memory
from equiv.observe.progress import further
from equiv.probing.hooks import Reader, held_tensors
from equiv.probing.inputs import Inputs, batch_of, input_tensors

__all__ = [
    "BATCH_MEMORY",
    "OUTPUT_COPIES",
    "affordable_batch",
    "batches",
    "check_independent",
    "probed_values",
]

# What the activations of one batch may take, tangents and graph included.
# [bytes; chosen: 256 MiB, larger batches are hardly faster]
BATCH_MEMORY = 256 * 2**20

# The outputs of all modules count so many times in that.
# [dimensionless; derived: values, tangents, and both again for the graph or what a layer makes of them]
OUTPUT_COPIES = 4

# Samples with which it is tried whether those of a batch influence each other.
# [samples; chosen: statistics over so few still differ much from those over two]
INDEPENDENCE_SAMPLES = 64

# Activations of a sample, alone and among others, may differ by this power of the rounding unit.
# [dimensionless; chosen: kernels round by batch size, to 1e-3 in reduced precision, influence is of order one]
INDEPENDENCE_POWER = 0.4


def affordable_batch(read: Reader, given: Inputs) -> int:
    r"""How many samples fill `BATCH_MEMORY` with the outputs of all modules, `OUTPUT_COPIES` times."""
    taken = 0

    def count(_module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal taken
        taken += sum(t.numel() * t.element_size() for t in held_tensors(output))

    few = batch_of(given, slice(0, 2))
    # The inner layers of TorchScript can have no hooks; its inputs and outputs count.
    modules = [module for module in read.network.modules() if not isinstance(module, torch.jit.ScriptModule)]
    handles = [module.register_forward_hook(count) for module in modules]

    try:
        with torch.no_grad():
            read.attempt(few)
    finally:
        for handle in handles:
            handle.remove()

    with torch.no_grad():
        read(few)  # what it makes of so few is refused where it is no batch of activations

    size = taken + sum(t.numel() * t.element_size() for t in input_tensors(few))

    return max(BATCH_MEMORY * len(input_tensors(few)[0]) // (OUTPUT_COPIES * size), 2)


def check_independent(read: Reader, given: Inputs, width: int) -> None:
    r"""Refuses networks whose samples influence each other, or whose activations are random."""
    n = len(input_tensors(given)[0])
    b = min(width, n, INDEPENDENCE_SAMPLES)

    if b < 3:
        return

    with torch.no_grad():
        together = read(batch_of(given, slice(0, b)))[-2:].double()
        alone = read(batch_of(given, slice(b - 2, b)))
        unit = read.arithmetic.rounding(alone.dtype)

    gap = (together - alone.double()).abs().amax().item()

    if gap > unit**INDEPENDENCE_POWER * max(together.abs().amax().item(), 1e-30):
        raise ValueError(
            "'network' should give each sample the same activations whatever else is in the batch, "
            f"got a difference of {gap:.1e} in eval mode; give batch-norm running statistics, "
            "put the samples first (batch_first=True), and switch functional dropout off."
        )


def probed_values(read: Reader, given: Inputs, width: int) -> Tensor:
    r"""Activations of all samples, `(n, d)`, in memory that is asked for once."""
    n = len(input_tensors(given)[0])
    values = None

    with torch.no_grad():
        for rows in batches(given, width):
            value = read(batch_of(given, rows))

            if values is None:
                check_memory(
                    value.element_size() * n * value.shape[1],
                    "'inputs'",
                    f"activations of {n} samples of {value.shape[1]} neurons",
                    "take fewer samples or 'neurons', or positions='mean'",
                    value.device,
                )
                values = value.new_empty(n, value.shape[1])

            values[rows] = value

    assert values is not None

    return values


def batches(given: Inputs, width: int) -> Iterator[slice]:
    r"""Slices of nearly equal length: a last batch of one would be a special case."""
    n = len(input_tensors(given)[0])
    count = math.ceil(n / width)

    for k in range(count):
        yield slice(k * n // count, (k + 1) * n // count)
        further()

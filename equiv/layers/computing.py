r"""Which layers of a network compute something, in the order in which they do."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from equiv.probing.hooks import Reader, held_tensors
from equiv.probing.inputs import batch_of, input_tensors
from equiv.probing.networks import as_network, network_inputs, plain_name, quiet

__all__ = ["computing_layers"]

# Samples at which outputs are compared.
# [samples; chosen: a shortcut around neurons that are silent at all of them would pass for nothing]
SHOWN_SAMPLES = 16


def computing_layers(network: nn.Module, inputs: Any) -> dict[str, torch.Size]:
    r"""Modules whose output is that of no module that was done before, in the order of the calls: names and shapes.

    Containers repeat the output of their last part, and dropout, identity and flattening that of what is before them;
    a block with a shortcut around it computes something of its own. Left out is what gives no real numbers for each
    sample.

    Arguments:
        network: The network.
        inputs: Its inputs, as in `equiv.probe`.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.ReLU())
        >>> computing_layers(network, torch.rand(5, 2))
        {'0': torch.Size([5, 3]), '2': torch.Size([5, 3])}
    """
    outputs: dict[str, Tensor] = {}
    network = as_network(network, inputs)
    few = batch_of(network_inputs(network, inputs), slice(0, SHOWN_SAMPLES))

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        first = next((tensor for tensor in held_tensors(output) if tensor.ndim > 0), None)

        if first is not None and first.is_floating_point():
            outputs[name] = first.detach().clone()

    with quiet(network), torch.no_grad():
        handles = [
            module.register_forward_hook(partial(keep, plain_name(name)))
            for name, module in network.named_modules()
            # The output needs no hook, and the inner layers of TorchScript can have none.
            if name and not isinstance(module, torch.jit.ScriptModule)
        ]

        try:
            keep("", network, few, Reader(network).attempt(few))
        finally:
            for handle in handles:
                handle.remove()

    shown = len(input_tensors(few)[0])
    found: dict[str, Tensor] = {}

    for name, output in outputs.items():
        if len(output) == shown and not any(_same(output, other) for other in found.values()):
            found[name] = output

    return {name: output.shape for name, output in found.items()}


def _same(output: Tensor, other: Tensor) -> bool:
    return output.numel() == other.numel() and torch.equal(output.flatten(), other.flatten())

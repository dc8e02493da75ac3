r"""Which layers of a network compute something, in the order in which they do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from equiv.probing.inputs import batch_of, checked_inputs
from equiv.probing.probe import probe

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
    few = batch_of(checked_inputs(inputs), slice(0, SHOWN_SAMPLES))

    def forget(_module: nn.Module, _inputs: Any) -> None:
        outputs.clear()

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) and output else output

            if isinstance(first, Tensor) and first.is_floating_point() and first.ndim > 0:
                outputs[name] = first.detach().clone()

        return hook

    handles: list[Any] = [network.register_forward_pre_hook(forget)]
    handles += [module.register_forward_hook(keep(name)) for name, module in network.named_modules()]

    try:
        shown = len(probe(network, few, frames=None, batch_size=SHOWN_SAMPLES))
    finally:
        for handle in handles:
            handle.remove()

    found: dict[str, Tensor] = {}

    for name, output in outputs.items():
        if len(output) == shown and not any(_same(output, other) for other in found.values()):
            found[name] = output

    return {name: output.shape for name, output in found.items()}


def _same(output: Tensor, other: Tensor) -> bool:
    return output.numel() == other.numel() and torch.equal(output.flatten(), other.flatten())

r"""The modules of a network as a tree, with the shapes of their outputs: what `layers_a=` can name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from equiv.probing.hooks import Reader
from equiv.probing.inputs import batch_of
from equiv.probing.networks import as_network, network_inputs, quiet

__all__ = ["module_tree"]


def module_tree(network: nn.Module, inputs: Any) -> str:
    r"""A line for each module that the network calls or holds: its name, its kind, and the shape of its output.

    The first axis of a shape, n, is that of the samples. Modules that are never called have none.
    """
    network = as_network(network, inputs)
    few = batch_of(network_inputs(network, inputs), slice(0, 2))
    shapes: dict[int, str] = {}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        shapes[id(module)] = _shape(output)

    # The inner layers of TorchScript can have no hooks.
    inner = [(name, module) for name, module in network.named_modules() if name]
    handles = [
        module.register_forward_hook(note)
        for _, module in inner
        if not isinstance(module, torch.jit.ScriptModule)
    ]

    try:
        with quiet(network), torch.no_grad():
            values = Reader(network)(few)
    finally:
        for handle in handles:
            handle.remove()

    rows = [
        ("  " * name.count(".") + name, type(module).__name__, shapes.get(id(module), "never called"))
        for name, module in inner
    ]
    rows.append(("(the output)", type(network).__name__, f"(n, {values.shape[1]})"))
    widths = [max(len(row[k]) for row in rows) for k in range(2)]

    return "\n".join(f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape}" for name, kind, shape in rows)


def _shape(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"({', '.join(map(str, ('n', *output.shape[1:])))})"

    held = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()

    return ", ".join(_shape(each) for each in held) or type(output).__name__

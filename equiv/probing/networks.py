r"""Networks of every kind as modules that can be probed, and left as they were."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from equiv.probing.inputs import (
    ONE_AT_A_TIME,
    Inputs,
    Loaded,
    checked_inputs,
    holds_arrays,
    input_tensors,
    with_tensors,
)

__all__ = ["Arithmetic", "Opaque", "arithmetic", "as_network", "network_inputs", "plain_name", "quiet"]

# The rounding unit of networks that compute in eight bits.
# [dimensionless; derived: half of a step of 2^-7, the range of a signed byte being 2^7 steps on either side of zero]
ROUNDING_INT8 = 2.0**-8

# What `torch.compile` calls the module that it wraps.
COMPILED = "_orig_mod"


class Opaque(nn.Module):
    r"""A function from inputs to an array, as a network of which no derivative is known.

    Arguments:
        function: From a batch, in the structure in which inputs are given, to an array or tensor, or to a tuple or
            dictionary that holds one.
        arrays: Whether it takes NumPy arrays rather than tensors.
    """

    def __init__(self, function: Callable[[Any], Any], arrays: bool) -> None:
        super().__init__()
        self.function, self.arrays = function, arrays

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        held: Inputs = named or (inputs[0] if len(inputs) == 1 else inputs)

        if self.arrays:
            arrays: list[Any] = [tensor.cpu().numpy() for tensor in input_tensors(held)]
            held = with_tensors(held, arrays)

        return _tensors(self.function(held))


def _tensors(output: Any) -> Any:
    r"""Arrays, and lists of numbers, as tensors; tuples, dictionaries and lists of arrays of these."""
    if isinstance(output, Tensor):
        return output

    if hasattr(output, "keys"):
        return {name: _tensors(output[name]) for name in output.keys()}  # noqa: SIM118

    if isinstance(output, tuple | list) and any(isinstance(each, Tensor | np.ndarray) for each in output):
        return [_tensors(each) for each in output]

    try:
        return torch.as_tensor(np.asarray(output))
    except (TypeError, ValueError):
        return output  # the reader says that it is no tensor


def as_network(network: Any, inputs: Any = None, name: str = "network") -> nn.Module:
    r"""What is probed: of a compiled module the original, of a function a module that calls it.

    Arguments:
        network: A module, an exported program, or any callable from inputs to an array.
        inputs: Its inputs, as they were given: a callable gets arrays where these are.
        name: Of the argument, for the error.

    Raises:
        TypeError: If it is none of them.
        ValueError: If it is a lazy module that has seen no batch.
    """
    if hasattr(network, "graph_module") and callable(getattr(network, "module", None)):
        network = network.module()  # of torch.export, which cannot be called itself

    if isinstance(network, type) or not callable(network):
        came, fix = (
            (f"the class {network.__name__}", "make a network of it")
            if isinstance(network, type)
            else (
                type(network).__name__,
                "load weights into their module (load_state_dict), wrap recorded activations in equiv.Observations",
            )
        )
        raise TypeError(
            f"'{name}' should be a torch.nn.Module or a callable from inputs to an array, got {came}; {fix}."
        )

    if not isinstance(network, nn.Module):
        return Opaque(network, holds_arrays(inputs))

    while isinstance(inner := getattr(network, COMPILED, None), nn.Module):
        network = inner

    for key, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if is_lazy(tensor):
            raise ValueError(
                f"'{name}' should have all its parameters, got a lazy module whose {key!r} is not initialised; "
                "call it on a batch, or load its weights, first."
            )

    return network


def plain_name(name: str) -> str:
    r"""The name of a module, whether it, or one that it is in, was compiled or not."""
    return ".".join(part for part in name.split(".") if part != COMPILED)


def network_inputs(network: nn.Module, inputs: Any) -> Inputs:
    r"""The checked inputs of a network; of the batches of a loader those entries that it cannot do without."""
    given = checked_inputs(inputs)

    if not isinstance(given, Loaded):
        return given

    taken = given[: _needed(network, len(given))]

    return taken[0] if len(taken) == 1 else tuple(taken)


def _needed(network: nn.Module, most: int) -> int:
    r"""How many inputs a network cannot do without, at least 1 and at most so many."""
    if isinstance(network, Opaque):
        return 1

    if isinstance(network, torch.jit.ScriptModule):
        schema: Any = network.forward
        arguments = schema.schema.arguments[1:]

        return min(max(sum(not each.has_default_value() for each in arguments), 1), most)

    parameters = inspect.signature(network.forward).parameters.values()

    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return most

    by_position = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    required = sum(each.kind in by_position and each.default is each.empty for each in parameters)

    return min(max(required, 1), most)


@dataclass(frozen=True)
class Arithmetic:
    r"""What a network computes in.

    Attributes:
        device: Of its tensors; None where it has none, and takes inputs as they are.
        dtype: Of its floating tensors, likewise.
        integer: Whether it computes in few bits, so that it has no derivative.
    """

    device: torch.device | None
    dtype: torch.dtype | None
    integer: bool

    def rounding(self, dtype: torch.dtype) -> float:
        r"""The rounding unit of activations of this dtype."""
        return max(ROUNDING_INT8 if self.integer else 0.0, torch.finfo(dtype).eps)

    def batch(self, inputs: Inputs) -> Inputs:
        r"""A batch on the network's device, its floating tensors in the network's dtype."""
        if self.dtype is None:
            return inputs

        return with_tensors(
            inputs,
            [
                t.to(self.device, self.dtype if t.is_floating_point() else t.dtype)
                for t in input_tensors(inputs)
            ],
        )


def arithmetic(network: nn.Module) -> Arithmetic:
    r"""The device, dtype and precision of a network, by its parameters, and where it has none by its buffers."""
    kinds = {type(module).__module__ for module in network.modules()}
    integer = any(kind.startswith("torch.") and ".quantized" in kind for kind in kinds)
    tensors = [*network.parameters(), *network.buffers()]
    floating = next((t for t in tensors if t.is_floating_point()), None)

    if floating is not None:
        return Arithmetic(floating.device, floating.dtype, integer)

    return Arithmetic(torch.device("cpu"), torch.float32, True) if integer else Arithmetic(None, None, False)


@contextlib.contextmanager
def quiet(network: nn.Module) -> Iterator[None]:
    r"""Puts a network into eval mode, and everything back as it was at the end, also after an exception.

    Restored: each submodule's own train/eval flag, its buffers, and the random state of the CPU and of the
    network's devices. While it lasts, attention runs as plain matrix products: the fused kernels skip submodules
    (and hooks on them), and have no forward-mode derivative; what is compiled runs as it was written; and an
    inference mode around it all does not hold. Other threads that would do the same wait.
    """
    with ONE_AT_A_TIME, _quiet(network):
        yield


@contextlib.contextmanager
def _quiet(network: nn.Module) -> Iterator[None]:
    tensors = [*network.parameters(), *network.buffers()]
    devices = sorted({t.device.index for t in tensors if t.is_cuda})
    modes = [(module, module.training) for module in network.modules()]
    buffers = [
        (module, name, buffer, _version(buffer), buffer.detach().clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    compiled = any(
        getattr(module, COMPILED, None) is not None
        or getattr(module, "_compiled_call_impl", None) is not None
        for module in network.modules()
    )

    try:
        with (
            torch.inference_mode(False),
            torch.random.fork_rng(devices),
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
            # cuDNN's recurrent layers have no derivative in eval mode.
            torch.backends.cudnn.flags(enabled=not any(isinstance(m, nn.RNNBase) for m in network.modules())),
            torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext(),
        ):
            torch.backends.mha.set_fastpath_enabled(False)

            for module in network.modules():
                module.training = False  # not by `eval`, which exported modules refuse and others do more in

            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)

        for module, mode in modes:
            module.training = mode

        for module, name, buffer, version, copy in buffers:
            if version is None or buffer._version != version:
                with torch.inference_mode(buffer.is_inference()), torch.no_grad():
                    buffer.copy_(copy)

            module._buffers[name] = buffer


def _version(tensor: Tensor) -> int | None:
    r"""A count that changes with the tensor; None where there is none, in tensors made in inference mode."""
    return None if tensor.is_inference() else tensor._version

r"""Reading layers: a network as a plain function from a batch of inputs to a batch of chosen activations."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import nearest_name

__all__ = ["Inputs", "Reader", "batch_of", "input_tensors", "quiet", "with_tensors"]


# One tensor, or several that the network takes by position or by name.
Inputs = Tensor | tuple[Tensor, ...] | dict[str, Tensor]


def input_tensors(inputs: Inputs) -> list[Tensor]:
    r"""The tensors of the inputs, in order."""
    if isinstance(inputs, Tensor):
        return [inputs]

    return list(inputs.values()) if isinstance(inputs, dict) else list(inputs)


def with_tensors(inputs: Inputs, tensors: Sequence[Tensor]) -> Inputs:
    r"""Inputs of the same structure, holding other tensors."""
    if isinstance(inputs, Tensor):
        return tensors[0]

    return dict(zip(inputs, tensors, strict=True)) if isinstance(inputs, dict) else tuple(tensors)


def batch_of(inputs: Inputs, index: slice | Tensor) -> Inputs:
    r"""Some of the samples."""
    return with_tensors(inputs, [t[index] for t in input_tensors(inputs)])


@contextlib.contextmanager
def quiet(network: nn.Module) -> Iterator[None]:
    r"""Puts a network into eval mode, and everything back as it was at the end, also after an exception.

    Restored: each submodule's own train/eval flag, its buffers, and the random state of the CPU and of the
    network's devices. While it lasts, attention runs as plain matrix products: the fused kernels skip submodules
    (and hooks on them), and have no forward-mode derivative.
    """
    tensors = [*network.parameters(), *network.buffers()]
    devices = sorted({t.device.index for t in tensors if t.is_cuda})
    modes = [(module, module.training) for module in network.modules()]
    buffers = [
        (module, name, buffer, buffer._version, buffer.detach().clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    fast_path = torch.backends.mha.get_fastpath_enabled()

    try:
        with (
            torch.random.fork_rng(devices),
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
            # cuDNN's recurrent layers have no derivative in eval mode.
            torch.backends.cudnn.flags(enabled=not any(isinstance(m, nn.RNNBase) for m in network.modules())),
        ):
            torch.backends.mha.set_fastpath_enabled(False)
            network.eval()
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)

        for module, mode in modes:
            module.training = mode

        for module, name, buffer, version, copy in buffers:
            if buffer._version != version:
                with torch.no_grad():
                    buffer.copy_(copy)

            module._buffers[name] = buffer


class Reader:
    r"""The function from a batch of inputs to the chosen activations, shape `(b, d)`.

    Each chosen layer's output is flattened behind its first axis, which must run over the samples, and the
    layers are concatenated. Of a tuple or dictionary the first tensor is read (the output of an LSTM or of
    attention). A layer that is called several times in one pass gives its outputs in the order of the calls.

    Arguments:
        network: The network; in eval mode when called.
        layers: Names from `network.named_modules()`; None: the network's output.
        neurons: One index tensor for each layer, into its flattened output; None: all.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a layer does not exist.
    """

    def __init__(
        self, network: nn.Module, layers: Sequence[str] | None = None, neurons: Sequence[Any] | None = None
    ) -> None:
        if isinstance(layers, str):
            raise TypeError(
                f"'layers' should be a list of names, got the string {layers!r}; write [{layers!r}]."
            )

        modules = dict(network.named_modules())

        for name in layers or ():
            if name not in modules:
                raise ValueError(
                    f"'layers' should hold names from network.named_modules(), got {name!r}"
                    + nearest_name(str(name), modules)
                )

        if layers is not None and len(layers) == 0:
            raise ValueError(
                "'layers' should name at least one layer, got none; pass None for the network's output."
            )

        self.network = network
        self.names = [""] if layers is None else list(layers)
        self.modules = [modules[name] for name in self.names]
        self.neurons = self._checked_neurons(neurons)

    def _checked_neurons(self, neurons: Sequence[Any] | None) -> list[Tensor | None]:
        if neurons is None:
            return [None] * len(self.names)

        if isinstance(neurons, Tensor):
            neurons = [neurons]

        if len(neurons) != len(self.names):
            raise ValueError(
                f"'neurons' should hold one index tensor for each of the {len(self.names)} layers, "
                f"got {len(neurons)}; use None in the list for a whole layer."
            )

        return [None if index is None else self._checked_index(index) for index in neurons]

    def _checked_index(self, index: Any) -> Tensor:
        index = torch.as_tensor(index)

        if index.ndim != 1 or index.is_floating_point() or index.is_complex() or len(index) == 0:
            raise TypeError(
                "'neurons' should hold integer (or boolean) tensors of shape (k,), "
                f"got {str(index.dtype).removeprefix('torch.')} of shape {tuple(index.shape)}; give a list of "
                "indices for each layer."
            )

        return index.nonzero().flatten() if index.dtype == torch.bool else index.long()

    def __call__(self, inputs: Inputs) -> Tensor:
        r"""The chosen activations of a batch, differentiable, in the network's dtype."""
        calls: dict[int, list[Any]] = {id(module): [] for module in self.modules}

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            # A copy: an in-place layer behind this one would overwrite it.
            calls[id(module)].append(_first_tensor(output).clone())

        handles = [module.register_forward_hook(keep) for module in {id(m): m for m in self.modules}.values()]

        try:
            # A copy, so that a network that works in place does not change the user's inputs, nor leaves.
            self._run(with_tensors(inputs, [t.clone() for t in input_tensors(inputs)]))
        finally:
            for handle in handles:
                handle.remove()

        n = len(input_tensors(inputs)[0])
        parts = [
            self._part(name, calls[id(module)], index, n)
            for name, module, index in zip(self.names, self.modules, self.neurons, strict=True)
        ]

        return torch.cat(parts, dim=1)

    def _run(self, inputs: Inputs) -> Any:
        if isinstance(inputs, dict):
            return self.network(**inputs)

        return self.network(inputs) if isinstance(inputs, Tensor) else self.network(*inputs)

    def _part(self, name: str, outputs: list[Tensor], index: Tensor | None, n: int) -> Tensor:
        layer = f"layer {name!r}" if name else "the network's output"

        if not outputs:
            raise ValueError(
                f"'layers' should name layers that the network calls, got {name!r}, which it never calls; "
                "observe a layer in it, or one that it is in."
            )

        for output in outputs:
            if output.ndim == 0 or len(output) != n:
                raise ValueError(
                    f"'layers' should name layers whose outputs have the samples first, got shape "
                    f"{tuple(output.shape)} from {layer} for a batch of {n}; observe another layer, or use "
                    "batch_first=True."
                )

        part = torch.cat([output.reshape(n, -1) for output in outputs], dim=1)

        if not part.is_floating_point():
            raise TypeError(
                f"'layers' should name layers with real outputs, got {part.dtype} from {layer}; "
                "observe another layer."
            )

        if index is None:
            return part

        if int(index.max()) >= part.shape[1] or int(index.min()) < -part.shape[1]:
            raise ValueError(
                f"'neurons' should hold indices below {part.shape[1]}, the neurons of {layer}, got "
                f"{int(index.min())} to {int(index.max())}; count from 0."
            )

        return part[:, index.to(part.device)]


def _first_tensor(output: Any) -> Tensor:
    r"""The first tensor of a layer's output."""
    if isinstance(output, Tensor):
        return output

    items: Any = (
        output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    )

    for item in items:
        if isinstance(item, Tensor | tuple | list | dict):
            return _first_tensor(item)

    raise TypeError(
        f"'layers' should name layers that return tensors, got {type(output).__name__}; "
        "observe another layer."
    )

r"""Reading layers: a network as a plain function from a batch of inputs to a batch of chosen activations."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from equiv.checks import as_array, as_names, in_one_line, nearest_name, told
from equiv.observe.labels import as_integers
from equiv.probing.inputs import Inputs, input_tensors, with_tensors
from equiv.probing.networks import arithmetic, plain_name
from equiv.probing.positions import arranged, token_mask

__all__ = ["Reader", "held_tensors"]


class Reader:
    r"""The function from a batch of inputs to the chosen activations, shape `(b, d)`.

    Each chosen layer's output is arranged as `(b, P, d)`, P positions, its first axis running over the samples; the
    layers are concatenated, and positions and neurons flattened. Of a tuple, a mapping or a dataclass the first
    tensor with an axis is read (the output of an LSTM or of attention, logits behind a loss). A layer that is called
    several times in one pass gives its outputs in the order of the calls.

    Arguments:
        network: The network; in eval mode when called.
        layers: Names from `network.named_modules()`; None: the network's output.
        neurons: One index tensor for each layer, into its output at a position; None: all.
        positions: As in `equiv.probe`.

    Attributes:
        arithmetic: What the network computes in.
        count: P, positions that the last batch was read at.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a layer does not exist.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[str] | None = None,
        neurons: Sequence[Any] | None = None,
        positions: str | None = None,
    ) -> None:
        modules = {plain_name(name): module for name, module in network.named_modules()}
        names = None if layers is None else [plain_name(name) for name in as_names(layers, "layers")]

        for name in names or ():
            if name not in modules:
                raise ValueError(
                    f"'layers' should hold names from network.named_modules(), got {name!r}"
                    + nearest_name(name, modules)
                )

        self.network = network
        self.names = names or [""]
        self.modules = [modules[name] for name in self.names]
        self.neurons = self._checked_neurons(neurons)
        self.positions = positions
        self.arithmetic = arithmetic(network)
        self.count = 1

    def _checked_neurons(self, neurons: Sequence[Any] | None) -> list[Tensor | None]:
        if neurons is None:
            return [None] * len(self.names)

        if isinstance(neurons, Tensor):
            neurons = [neurons]

        if not isinstance(neurons, Sequence) or isinstance(neurons, str):
            raise TypeError(
                f"'neurons' should be a list of index tensors, one for each layer, got {in_one_line(neurons)}; write "
                "[torch.tensor([0, 3])], say."
            )

        if len(neurons) != len(self.names):
            raise ValueError(
                f"'neurons' should hold one index tensor for each of the {len(self.names)} layers, "
                f"got {len(neurons)}; use None in the list for a whole layer."
            )

        return [None if index is None else self._checked_index(index) for index in neurons]

    def _checked_index(self, index: Any) -> Tensor:
        rule, fix = "integer (or boolean) tensors of shape (k,)", "give a list of indices for each layer"
        index = as_integers(index, "neurons", rule, fix, booleans=True)

        chosen = index.nonzero().flatten() if index.dtype == torch.bool and index.ndim == 1 else index

        if chosen.ndim != 1 or len(chosen) == 0:
            raise ValueError(
                f"'neurons' should hold {rule} that choose some, got {in_one_line(index)}; {fix}."
            )

        return chosen

    def __call__(self, inputs: Inputs) -> Tensor:
        r"""The chosen activations of a batch, differentiable, in the network's dtype."""
        calls: dict[int, list[Tensor]] = {id(module): [] for module in self.modules}

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            # A copy: an in-place layer behind this one would overwrite it.
            calls[id(module)].append(_first_tensor(output).clone())

        # The network's own output needs no hook, which not every network can be given.
        inner = {id(module): module for module in self.modules if module is not self.network}
        handles: list[RemovableHandle] = []

        try:
            handles.extend(self._hooked(module, keep) for module in inner.values())
            output = self.run(inputs)

            if id(self.network) in calls:
                keep(self.network, None, output)
        finally:
            for handle in handles:
                handle.remove()

        mask = None if self.positions is None else token_mask(inputs)
        n = len(input_tensors(inputs)[0])
        parts = [
            self._part(name, calls[id(module)], index, n, mask)
            for name, module, index in zip(self.names, self.modules, self.neurons, strict=True)
        ]
        self.count = self._same_count([part for each in parts for part in each])
        read = [torch.cat(each, dim=2) for each in parts]
        chosen = [
            part if index is None else part[..., index.to(part.device)]
            for part, index in zip(read, self.neurons, strict=True)
        ]

        return torch.cat(chosen, dim=2).reshape(n, -1)

    def _hooked(self, module: nn.Module, keep: Any) -> RemovableHandle:
        try:
            return module.register_forward_hook(keep)
        except RuntimeError as error:
            raise ValueError(
                "'layers' should be None for TorchScript, whose inner layers cannot be read, got "
                f"{self.names}; observe the output, or the network that it was made of."
            ) from error

    def run(self, inputs: Inputs) -> Any:
        r"""What the network returns for a batch, in whatever form."""
        inputs = self.arithmetic.batch(inputs)
        # A copy, so that a network that works in place does not change the user's inputs, nor leaves.
        inputs = with_tensors(inputs, [t.clone() for t in input_tensors(inputs)])

        if isinstance(inputs, dict):
            return self.network(**inputs)

        return self.network(inputs) if isinstance(inputs, Tensor) else self.network(*inputs)

    def attempt(self, inputs: Inputs) -> Any:
        r"""The same for a first batch: whatever the network says of inputs that it cannot take, as a sentence.

        Raises:
            ValueError: If it fails on them.
        """
        try:
            return self.run(inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            kinds = ", ".join(
                f"{str(t.dtype).removeprefix('torch.')} of shape ({', '.join(map(str, ('n', *t.shape[1:])))})"
                for t in input_tensors(inputs)
            )
            raise ValueError(
                f"'inputs' should be a batch that the network takes, got {kinds}, on which it fails ({told(error)}); "
                "give them the names, shapes and dtypes that it was trained on."
            ) from error

    def _part(
        self, name: str, outputs: list[Tensor], index: Tensor | None, n: int, mask: Tensor | None
    ) -> list[Tensor]:
        r"""The outputs of a layer, one for each call, `(n, P, d)`."""
        layer = f"layer {name!r}" if name else "the network's output"

        if not outputs:
            script = isinstance(self.network, torch.jit.ScriptModule)
            raise ValueError(
                f"'layers' should name layers that the network calls, got {name!r}, which it never calls; "
                + (
                    "the inner layers of TorchScript cannot be read, observe the output."
                    if script
                    else "observe a layer in it, or one that it is in."
                )
            )

        outputs = [as_array(output, "network(inputs)", "(n, ...)") for output in outputs]

        for output in outputs:
            if output.ndim == 0 or len(output) != n or output.numel() == 0:
                raise ValueError(
                    f"'layers' should name layers whose outputs have neurons, and the samples first, got shape "
                    f"{tuple(output.shape)} from {layer} for a batch of {n}; observe another layer, or use "
                    "batch_first=True."
                )

            if not output.is_floating_point():
                raise TypeError(
                    f"'layers' should name layers with real outputs, got {output.dtype} from {layer}; "
                    "observe another layer."
                )

        parts = [arranged(output, self.positions, mask, layer) for output in outputs]
        d = sum(part.shape[2] for part in parts)

        if index is not None and (int(index.max()) >= d or int(index.min()) < -d):
            raise ValueError(
                f"'neurons' should hold indices below {d}, the neurons of {layer}, got "
                f"{int(index.min())} to {int(index.max())}; count from 0."
            )

        return parts

    def _same_count(self, parts: Iterable[Tensor]) -> int:
        r"""How many positions all that is read has."""
        counts = sorted({part.shape[1] for part in parts})

        if len(counts) > 1:
            raise ValueError(
                f"'layers' should have as many positions as each other, got {' and '.join(map(str, counts))} from "
                f"{self.names}; observe them one by one, or take positions='mean'."
            )

        return counts[0]


def _first_tensor(output: Any) -> Tensor:
    r"""The first tensor of a layer's output that has an axis; a loss, which has none, where there is no other."""
    found = list(held_tensors(output))

    if not found:
        raise TypeError(
            f"'layers' should name layers that return tensors, got {type(output).__name__}; "
            "observe another layer."
        )

    return next((tensor for tensor in found if tensor.ndim > 0), found[0])


def held_tensors(output: Any) -> Iterable[Tensor]:
    r"""The tensors of what a layer returns, in order: of tuples, of whatever has `keys()`, of dataclasses."""
    if isinstance(output, Tensor):
        yield output

        return

    items: Iterable[Any] = ()

    if isinstance(output, tuple | list):
        items = output
    elif hasattr(output, "keys"):
        items = (output[key] for key in output.keys())  # noqa: SIM118
    elif dataclasses.is_dataclass(output):
        items = (getattr(output, field.name) for field in dataclasses.fields(output))

    for item in items:
        yield from held_tensors(item)

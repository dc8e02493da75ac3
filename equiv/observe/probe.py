r"""Probing: running a network on inputs, reading activations, and pushing a frame of the inputs forward."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import check_finite, check_integer, check_number
from equiv.observe.arguments import checked_bursts, checked_inputs, checked_kind, checked_tangents
from equiv.observe.bursts import burst_frames
from equiv.observe.hooks import Inputs, Reader, batch_of, input_tensors, quiet, with_tensors
from equiv.observe.observations import Observations
from equiv.observe.pushforward import pushforward
from equiv.observe.tangents import neighbour_frames

__all__ = ["probe", "taken_directions"]

# Directions along which inputs spread by less than this share of the widest are none that they take.
# [share of the largest spread; chosen: rounding in float32 is a tenth of it]
NEVER_TAKEN = 1e-6


# What the activations of one batch may take, tangents and graph included.
# [bytes; chosen: 256 MiB, larger batches are hardly faster]
BATCH_MEMORY = 256 * 2**20

# Samples with which it is tried whether those of a batch influence each other.
# [samples; chosen: statistics over so few still differ much from those over two]
INDEPENDENCE_SAMPLES = 64

# Activations of a sample, alone and among others, may differ by this power of the rounding unit.
# [dimensionless; chosen: kernels round by batch size, to 1e-3 in reduced precision, influence is of order one]
INDEPENDENCE_POWER = 0.4


def probe(
    network: nn.Module,
    inputs: Any,
    layers: Sequence[str] | None = None,
    neurons: Sequence[Any] | None = None,
    frames: Any = "jacobian",
    dimension: int | None = None,
    burst_std: float | None = None,
    batch_size: int | None = None,
) -> Observations:
    r"""Observes a network: activations, and the push-forward of a frame of its inputs.

    The network runs in eval mode, in its own dtype and on its own device, only ever on batches, and is left
    as it was found: hooks, train/eval flags, buffers, gradients, `requires_grad`, and the random state.

    Arguments:
        network: Any module that maps a batch to activations with the samples first, each sample by itself.
        inputs: The inputs, shape `(n, *input_shape)`; or a tuple (by position) or dictionary (by name) of
            such tensors.
        layers: Names from `network.named_modules()`, flattened and concatenated; None: the network's output.
        neurons: A list of index tensors into the flattened layers, one for each layer; None: all.
        frames: How the input space is spanned:

            - `"jacobian"`: by all entries of the (floating) inputs, m of them, by automatic differentiation;
            - a tensor `(n, *input_shape, m)` (or a tuple or dictionary of them, as `inputs`): tangent vectors
              of the manifold of inputs, orthonormal in its intrinsic metric;
            - a callable `bursts(inputs) -> (n, b, *input_shape)`: equally distributed small neighbours of
              each input;
            - `"neighbors"`: by local principal directions among the inputs themselves;
            - None: no frames.
        dimension: m for bursts and neighbours; None: from the gap in their spectra.
        burst_std: Standard deviation of the bursts along each unit direction of the manifold of inputs, in
            its units.
        batch_size: Samples in a batch; None: as many as keep the activations of one batch near 256 MiB.

    Returns:
        The observations, on the device of the inputs: values `(n, d)` and frames `(n, d, m)`, in the
        network's dtype (float32 where that is a half precision).

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If shapes disagree, the network fails on the inputs, a layer does not exist, activations
            are not finite, or the samples of a batch influence each other.

    Example:
        >>> obs = probe(nn.Linear(2, 3), torch.zeros(5, 2))
        >>> obs.values.shape, obs.frames.shape
        (torch.Size([5, 3]), torch.Size([5, 3, 2]))
    """
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"'network' should be a torch.nn.Module, got {type(network).__name__}; wrap recorded activations "
            "in equiv.Observations."
        )

    given = checked_inputs(inputs)
    device = input_tensors(given)[0].device
    read = Reader(network, layers, neurons)
    kind = checked_kind(frames, dimension, burst_std)

    if kind not in ("none", "bursts") and not any(t.is_floating_point() for t in input_tensors(given)):
        raise TypeError(
            "'inputs' should hold a floating tensor to differentiate by, got integers only; use frames=None, "
            "or probe the part of the network behind the embedding."
        )

    if batch_size is not None:
        check_integer(batch_size, "batch_size")

    with quiet(network):
        affordable = _affordable(read, given)  # whatever the batch size: it says which inputs are refused
        width = batch_size or affordable
        _check_independent(read, given, width)
        burst_size = None

        if kind == "bursts":
            spread = check_number(burst_std, "burst_std")
            values = _values(read, given, width)
            around, burst_size = checked_bursts(frames(inputs), given)
            around_values = _values(read, around, width)
            check_finite(around_values, "network(bursts)")
            pushed = burst_frames(around_values.reshape(len(values), burst_size, -1), spread, dimension)
        elif kind == "none":
            values, pushed = _values(read, given, width), None
        elif kind == "neighbors":
            values = _values(read, given, width)
            pushed = neighbour_frames(given, values, dimension)
        else:
            tangents = None if kind == "jacobian" else checked_tangents(frames, given)
            values, pushed = _pushed(read, given, tangents, width)
            _check_alive(values, pushed)

    check_finite(values, "network(inputs)")

    if pushed is not None:
        check_finite(pushed, "frames")

    dtype = torch.float64 if values.dtype == torch.float64 else torch.float32
    values = values.to(device, dtype)

    pushed = None if pushed is None else pushed.to(device, dtype)
    taken = taken_directions(given) if kind == "jacobian" else None

    return Observations(values, pushed, burst_size=burst_size, oriented=kind != "neighbors", taken=taken)


def taken_directions(inputs: Inputs) -> Tensor | None:
    r"""Principal directions of the inputs' entries, each as long as they spread along it, `(m, k)`; None for none."""
    entries = [t.detach().flatten(1).double() for t in input_tensors(inputs) if t.is_floating_point()]
    centred = torch.cat(entries, dim=1)
    centred = centred - centred.mean(dim=0)
    _, spread, axes = torch.linalg.svd(centred / len(centred) ** 0.5, full_matrices=False)
    kept = spread > NEVER_TAKEN * spread.max().clamp_min(1e-300)

    return axes[kept].T * spread[kept] if spread.max() > 0 else None


def _as_network(read: Reader, batch: Inputs) -> Inputs:
    r"""The batch on the network's device, and its floating tensors in the network's dtype."""
    weight = next((p for p in read.network.parameters() if p.is_floating_point()), None)

    if weight is None:
        return batch

    return with_tensors(
        batch,
        [
            t.to(weight.device, weight.dtype if t.is_floating_point() else t.dtype)
            for t in input_tensors(batch)
        ],
    )


def _batches(given: Inputs, width: int) -> Iterator[slice]:
    r"""Slices of nearly equal length: a last batch of one would be a special case."""
    n = len(input_tensors(given)[0])
    count = math.ceil(n / width)

    for k in range(count):
        yield slice(k * n // count, (k + 1) * n // count)


def _affordable(read: Reader, given: Inputs) -> int:
    r"""How many samples fill `BATCH_MEMORY` with the outputs of all modules, four times (tangents, graph)."""
    taken = 0

    def count(_module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal taken
        items = output if isinstance(output, tuple | list) else [output]
        taken += sum(t.numel() * t.element_size() for t in items if isinstance(t, Tensor))

    few = batch_of(given, slice(0, 2))
    handles = [module.register_forward_hook(count) for module in read.network.modules()]

    try:
        with torch.no_grad():
            read(_as_network(read, few))
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, IndexError) as error:  # what layers say of shapes and dtypes that they cannot take
        kinds = ", ".join(
            f"{str(t.dtype).removeprefix('torch.')} of shape ({', '.join(map(str, ('n', *t.shape[1:])))})"
            for t in input_tensors(few)
        )
        raise ValueError(
            f"'inputs' should be a batch that the network takes, got {kinds}, on which it fails ({error}); "
            "give them the shape and dtype that it was trained on."
        ) from error
    finally:
        for handle in handles:
            handle.remove()

    size = taken + sum(t.numel() * t.element_size() for t in input_tensors(few))

    return max(BATCH_MEMORY * len(input_tensors(few)[0]) // (4 * size), 2)


def _check_independent(read: Reader, given: Inputs, width: int) -> None:
    r"""Refuses networks whose samples influence each other, or whose activations are random."""
    n = len(input_tensors(given)[0])
    b = min(width, n, INDEPENDENCE_SAMPLES)

    if b < 3:
        return

    with torch.no_grad():
        together = read(_as_network(read, batch_of(given, slice(0, b))))[-2:].double()
        alone = read(_as_network(read, batch_of(given, slice(b - 2, b))))
        eps = torch.finfo(alone.dtype).eps

    gap = (together - alone.double()).abs().amax().item()

    if gap > eps**INDEPENDENCE_POWER * max(together.abs().amax().item(), 1e-30):
        raise ValueError(
            "'network' should give each sample the same activations whatever else is in the batch, "
            f"got a difference of {gap:.1e} in eval mode; give batch-norm running statistics, "
            "put the samples first (batch_first=True), and switch functional dropout off."
        )


def _check_alive(values: Tensor, pushed: Tensor) -> None:
    r"""Refuses a derivative of zero where the values change: it was cut off inside the network."""
    if not pushed.any() and not torch.equal(values, values[:1].expand_as(values)):
        raise ValueError(
            "'network' should be differentiable for exact frames, but its derivative is zero everywhere "
            "while its values vary; remove what detaches or rounds inside it, or give bursts as 'frames'."
        )


def _values(read: Reader, given: Inputs, width: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([read(_as_network(read, batch_of(given, rows))) for rows in _batches(given, width)])


def _pushed(read: Reader, given: Inputs, tangents: list[Tensor] | None, width: int) -> tuple[Tensor, Tensor]:
    values, pushed = [], []

    for rows in _batches(given, width):
        chosen = None if tangents is None else [t[rows] for t in tangents]
        value, push = pushforward(read, _as_network(read, batch_of(given, rows)), chosen, width)
        values.append(value)
        pushed.append(push)

    return torch.cat(values), torch.cat(pushed)

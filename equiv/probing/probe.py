r"""Probing: running a network on inputs, reading activations, and pushing a frame of the inputs forward."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from equiv.checks import check_finite, check_integer, check_number
from equiv.observe.observations import Observations
from equiv.probing.arguments import checked_bursts, checked_kind, checked_tangents
from equiv.probing.bursts import burst_frames
from equiv.probing.derivatives import (
    check_alive,
    check_frames_memory,
    pushed_forward,
    taken_directions,
    without_derivative,
)
from equiv.probing.hooks import Reader
from equiv.probing.inputs import gathered_inputs, input_tensors, moving_tensors
from equiv.probing.networks import as_network, network_inputs, quiet
from equiv.probing.positions import check_positions, counted, token_mask
from equiv.probing.tangents import neighbour_frames
from equiv.probing.values import affordable_batch, check_independent, probed_values

__all__ = ["probe"]


def probe(
    network: nn.Module | Callable[..., Any],
    inputs: Any,
    layers: Sequence[str] | None = None,
    neurons: Sequence[Any] | None = None,
    frames: Any = "jacobian",
    dimension: int | None = None,
    burst_std: float | None = None,
    batch_size: int | None = None,
    positions: str | None = None,
) -> Observations:
    r"""Observes a network: activations, and the push-forward of a frame of its inputs.

    The network runs in eval mode, in its own dtype and on its own device, only ever on batches, and is left
    as it was found: hooks, train/eval flags, buffers, gradients, `requires_grad`, and the random state.

    Arguments:
        network: Any module that maps a batch to activations with the samples first, each sample by itself, compiled,
            scripted, exported and quantised ones among them; or any callable from inputs to an array, which has no
            layers and no derivative.
        inputs: The inputs, shape `(n, *input_shape)`; or a tuple (by position) or anything with `keys()` (by
            name) of such tensors; or a `DataLoader`, run through once, in order: of batches that are tuples the
            network gets the entries that it cannot do without.
        layers: Names from `network.named_modules()`, flattened and concatenated; None: the network's output.
        neurons: A list of index tensors into the flattened layers (at a position), one for each layer; None: all.
        frames: How the input space is spanned:

            - `"jacobian"`: by all entries of the (floating) inputs, m of them, by automatic differentiation; none
              where there is nothing to differentiate (`Observations.unframed` says so);
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
        positions: What becomes of outputs with positions, tokens `(n, T, d)` or pictures `(n, C, H, W)`: None
            flattens them; `"each"`: each position is a sample, and its input its group; `"mean"`; `"last"` token.
            Of an `attention_mask` among the inputs all but None leave out what is not 1.

    Returns:
        The observations, on the device of the inputs: values `(n, d)` and frames `(n, d, m)`, in the
        network's dtype (float32 where that is a half precision).

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If shapes disagree, the network fails on the inputs, a layer does not exist, activations
            are not finite, the samples of a batch influence each other, or derivatives are not those of the values.

    Example:
        >>> obs = probe(nn.Linear(2, 3), torch.zeros(5, 2))
        >>> obs.values.shape, obs.frames.shape
        (torch.Size([5, 3]), torch.Size([5, 3, 2]))
    """
    inputs = gathered_inputs(inputs)
    network = as_network(network, inputs)
    given = network_inputs(network, inputs)
    check_positions(positions)

    if batch_size is not None:
        check_integer(batch_size, "batch_size")

    device = input_tensors(given)[0].device
    read = Reader(network, layers, neurons, positions)
    kind = checked_kind(frames, dimension, burst_std)
    unframed = without_derivative(read, given) if kind == "jacobian" else None
    kind = "none" if unframed else kind

    if kind in ("tangents", "neighbors") and not moving_tensors(given):
        raise TypeError(
            "'inputs' should hold a floating tensor to take directions in, got integers only; use frames=None, "
            "or probe the part of the network behind the embedding."
        )

    with quiet(network):
        affordable = affordable_batch(
            read, given
        )  # whatever the batch size: it says which inputs are refused
        width = batch_size or affordable
        check_independent(read, given, width)
        burst_size = None

        if kind == "bursts":
            spread = check_number(burst_std, "burst_std")
            values = probed_values(read, given, width)
            around, burst_size = checked_bursts(frames(inputs), given)
            around_values = probed_values(read, around, width)
            check_finite(around_values, "network(bursts)")
            # In float64: activations of the bursts, centred, and their bases.
            numbers = 3 * len(values) * burst_size * values.shape[1]
            check_frames_memory(given, len(values), values.shape[1], burst_size, 8.0 * numbers)
            pushed = burst_frames(around_values.reshape(len(values), burst_size, -1), spread, dimension)
        elif kind == "none":
            values, pushed = probed_values(read, given, width), None
        elif kind == "neighbors":
            values = probed_values(read, given, width)
            pushed = neighbour_frames(given, values, dimension, check_frames_memory)
        else:
            tangents = None if kind == "jacobian" else checked_tangents(frames, given)
            values, pushed = pushed_forward(read, given, tangents, width)
            check_alive(values, pushed)

    groups = None

    if positions == "each":
        mask = token_mask(given)
        rows, groups = counted(mask, len(values), read.count)
        values = values.reshape(len(values) * read.count, -1)[rows]
        pushed = None if pushed is None else pushed.reshape(-1, values.shape[1], pushed.shape[2])[rows]

    check_finite(values, "network(inputs)")

    if pushed is not None:
        check_finite(pushed, "frames")

    dtype = torch.float64 if values.dtype == torch.float64 else torch.float32
    values = values.to(device, dtype)

    pushed = None if pushed is None else pushed.to(device, dtype)
    taken = taken_directions(given) if kind == "jacobian" else None

    return Observations(
        values,
        pushed,
        groups,
        burst_size=burst_size,
        oriented=kind != "neighbors",
        taken=taken,
        unframed=unframed,
    )

r"""Probing: running a network on inputs, reading activations, and pushing a frame of the inputs forward."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import check_finite, check_integer, check_number
from equiv.observe.memory import check_memory
from equiv.observe.observations import Observations
from equiv.observe.progress import further
from equiv.probing.arguments import checked_bursts, checked_kind, checked_tangents
from equiv.probing.bursts import burst_frames
from equiv.probing.differentiability import derivative_mode
from equiv.probing.hooks import Reader, held_tensors
from equiv.probing.inputs import Inputs, batch_of, gathered_inputs, input_tensors, moving_tensors
from equiv.probing.networks import Opaque, as_network, network_inputs, quiet
from equiv.probing.positions import check_positions, counted, token_mask
from equiv.probing.pushforward import FORWARD, REVERSE, pushforward
from equiv.probing.tangents import neighbour_frames

__all__ = ["probe", "taken_directions", "without_derivative"]


# Directions along which inputs spread by less than this share of the widest are none that they take.
# [share of the largest spread; chosen: rounding in float32 is a tenth of it]
NEVER_TAKEN = 1e-6


# What the activations of one batch may take, tangents and graph included.
# [bytes; chosen: 256 MiB, larger batches are hardly faster]
BATCH_MEMORY = 256 * 2**20

# What a number of a frame takes, before and after it is brought into the dtype wanted.
# [bytes; derived: float64, for bursts and neighbours are computed in it]
FRAME_BYTES = 8

# Samples at which derivatives are held against a difference.
# [samples; chosen: a majority of them decides, since at some there may be a kink]
DIFFERENCE_SAMPLES = 16

# Of what a network says of inputs that it cannot take, so much is passed on.
# [characters; chosen: some lines, guards of exported programs say pages]
MOST_SAID = 300

# Samples with which it is tried whether those of a batch influence each other.
# [samples; chosen: statistics over so few still differ much from those over two]
INDEPENDENCE_SAMPLES = 64

# Activations of a sample, alone and among others, may differ by this power of the rounding unit.
# [dimensionless; chosen: kernels round by batch size, to 1e-3 in reduced precision, influence is of order one]
INDEPENDENCE_POWER = 0.4


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
            check_frames_memory(
                given, len(values), values.shape[1], 2 * burst_size
            )  # values, and their bases
            pushed = burst_frames(around_values.reshape(len(values), burst_size, -1), spread, dimension)
        elif kind == "none":
            values, pushed = _values(read, given, width), None
        elif kind == "neighbors":
            values = _values(read, given, width)
            pushed = neighbour_frames(given, values, dimension, check_frames_memory)
        else:
            tangents = None if kind == "jacobian" else checked_tangents(frames, given)
            values, pushed = _pushed(read, given, tangents, width)
            _check_alive(values, pushed)

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


def without_derivative(read: Reader, inputs: Inputs) -> str | None:
    r"""Why a network has no derivative by its inputs, in words; None where it may have one."""
    if not moving_tensors(inputs):
        return "the inputs are integers, by which there is no derivative"

    if isinstance(read.network, Opaque):
        return "a callable has no derivative"

    return "arithmetic in eight bits has no derivative" if read.arithmetic.integer else None


def taken_directions(inputs: Inputs) -> Tensor | None:
    r"""Principal directions of the inputs' entries, each as long as they spread along it, `(m, k)`; None for none."""
    entries = [t.detach().flatten(1).double() for t in moving_tensors(inputs)]
    centred = torch.cat(entries, dim=1)
    centred = centred - centred.mean(dim=0)
    _, spread, axes = torch.linalg.svd(centred / len(centred) ** 0.5, full_matrices=False)
    kept = spread > NEVER_TAKEN * spread.max().clamp_min(1e-300)

    return axes[kept].T * spread[kept] if spread.max() > 0 else None


def _batches(given: Inputs, width: int) -> Iterator[slice]:
    r"""Slices of nearly equal length: a last batch of one would be a special case."""
    n = len(input_tensors(given)[0])
    count = math.ceil(n / width)

    for k in range(count):
        yield slice(k * n // count, (k + 1) * n // count)
        further()


def _affordable(read: Reader, given: Inputs) -> int:
    r"""How many samples fill `BATCH_MEMORY` with the outputs of all modules, four times (tangents, graph)."""
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
            read.run(few)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever networks say of inputs that they cannot take
        kinds = ", ".join(
            f"{str(t.dtype).removeprefix('torch.')} of shape ({', '.join(map(str, ('n', *t.shape[1:])))})"
            for t in input_tensors(few)
        )
        said = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_SAID]
        raise ValueError(
            f"'inputs' should be a batch that the network takes, got {kinds}, on which it fails ({said}); "
            "give them the names, shapes and dtypes that it was trained on."
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


def _check_alive(values: Tensor, pushed: Tensor) -> None:
    r"""Refuses a derivative of zero where the values change: it was cut off inside the network."""
    if not pushed.any() and not torch.equal(values, values[:1].expand_as(values)):
        raise ValueError(
            "'network' should be differentiable for exact frames, but its derivative is zero everywhere "
            "while its values vary; remove what detaches or rounds inside it, or give bursts as 'frames'."
        )


def _values(read: Reader, given: Inputs, width: int) -> Tensor:
    r"""Activations of all samples, `(n, d)`, in memory that is asked for once."""
    n = len(input_tensors(given)[0])
    values = None

    with torch.no_grad():
        for rows in _batches(given, width):
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


def check_frames_memory(given: Inputs, n: int, neurons: int, directions: int) -> None:
    r"""Refuses frames `(n, d, m)` that would take more memory than they may."""
    check_memory(
        FRAME_BYTES * n * neurons * directions,
        "'frames'",
        f"frames of {n} samples of {neurons} neurons by {directions} directions",
        "take fewer samples or 'neurons', 'positions', tangents of what varies in the inputs, or frames=None",
        input_tensors(given)[0].device,
    )


def _pushed(read: Reader, given: Inputs, tangents: list[Tensor] | None, width: int) -> tuple[Tensor, Tensor]:
    r"""Values `(n, d)` and push-forwards `(n, d, m)`, in the mode that costs less, if that is right."""
    n = len(input_tensors(given)[0])
    some = torch.arange(0, n, -(-n // min(DIFFERENCE_SAMPLES, n)))
    few = read.arithmetic.batch(batch_of(given, some))
    neurons = _values(read, few, width).shape[1]
    m = sum(t[0].numel() for t in moving_tensors(given)) if tangents is None else tangents[0].shape[-1]
    mode = derivative_mode(
        read,
        few,
        None if tangents is None else [t[some] for t in tangents],
        _spread(given),
        FORWARD if m <= neurons else REVERSE,
    )
    check_frames_memory(given, n, neurons, m)
    values, pushed = None, None

    for rows in _batches(given, width):
        chosen = None if tangents is None else [t[rows] for t in tangents]
        batch = read.arithmetic.batch(batch_of(given, rows))
        value, push = pushforward(read, batch, chosen, width, mode)

        if values is None or pushed is None:  # one allocation, and no second one to join parts in
            values, pushed = value.new_empty(n, *value.shape[1:]), push.new_empty(n, *push.shape[1:])

        values[rows], pushed[rows] = value, push

    assert values is not None and pushed is not None

    return values, pushed


def _spread(inputs: Inputs) -> float:
    r"""How far the entries of inputs are from each other, at least as far as they are from zero where all are alike."""
    entries = [t.detach().double() for t in moving_tensors(inputs)]
    squares = torch.cat([(t - t.mean(dim=0)).flatten() for t in entries]).square().mean()
    scale = torch.cat([t.flatten() for t in entries]).square().mean()

    return (squares.sqrt() if squares > NEVER_TAKEN**2 * scale else scale.sqrt()).item() or 1.0

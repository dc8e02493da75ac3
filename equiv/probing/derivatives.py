r"""Probing derivatives: the push-forward of a frame of the inputs, where there is one, and how much it takes."""

import torch
from torch import Tensor

from equiv.observe.memory import check_memory
from equiv.probing.differentiability import derivative_mode
from equiv.probing.hooks import Reader
from equiv.probing.inputs import Inputs, batch_of, input_tensors, moving_tensors
from equiv.probing.networks import Opaque
from equiv.probing.pushforward import FORWARD, REVERSE, pushforward
from equiv.probing.values import BATCH_MEMORY, OUTPUT_COPIES, batches, probed_values

__all__ = ["check_alive", "check_frames_memory", "pushed_forward", "taken_directions", "without_derivative"]

# Directions along which inputs spread by less than this share of the widest are none that they take.
# [share of the largest spread; chosen: rounding in float32 is a tenth of it]
NEVER_TAKEN = 1e-6

# Samples at which derivatives are held against a difference.
# [samples; chosen: a majority of them decides, since at some there may be a kink]
DIFFERENCE_SAMPLES = 16


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


def pushed_forward(
    read: Reader, given: Inputs, tangents: list[Tensor] | None, width: int
) -> tuple[Tensor, Tensor]:
    r"""Values `(n, d)` and push-forwards `(n, d, m)`, in the mode that costs less, if that is right."""
    n = len(input_tensors(given)[0])
    some = torch.arange(0, n, -(-n // min(DIFFERENCE_SAMPLES, n)))
    few = read.arithmetic.batch(batch_of(given, some))
    shown = probed_values(read, few, width)
    neurons = shown.shape[1]
    m = sum(t[0].numel() for t in moving_tensors(given)) if tangents is None else tangents[0].shape[-1]
    mode = derivative_mode(
        read,
        few,
        None if tangents is None else [t[some] for t in tangents],
        _spread(given),
        FORWARD if m <= neurons else REVERSE,
    )
    # Frames of all samples and of a batch, and the outputs of one, along many directions at a time in forward mode.
    frames = shown.element_size() * neurons * m * (n + min(n, width))
    outputs = BATCH_MEMORY / OUTPUT_COPIES * min(1.0, n * (m if mode == FORWARD else 1) / width)
    check_frames_memory(given, n, neurons, m, frames + outputs)
    values, pushed = None, None

    for rows in batches(given, width):
        chosen = None if tangents is None else [t[rows] for t in tangents]
        batch = read.arithmetic.batch(batch_of(given, rows))
        value, push = pushforward(read, batch, chosen, width, mode)

        if values is None or pushed is None:  # one allocation, and no second one to join parts in
            values, pushed = value.new_empty(n, *value.shape[1:]), push.new_empty(n, *push.shape[1:])

        values[rows], pushed[rows] = value, push

    assert values is not None and pushed is not None

    return values, pushed


def check_alive(values: Tensor, pushed: Tensor) -> None:
    r"""Refuses a derivative of zero where the values change: it was cut off inside the network."""
    if not pushed.any() and not torch.equal(values, values[:1].expand_as(values)):
        raise ValueError(
            "'network' should be differentiable for exact frames, got a derivative that is zero everywhere while "
            "its values vary; remove what detaches or rounds inside it, or give bursts as 'frames'."
        )


def check_frames_memory(given: Inputs, n: int, neurons: int, directions: int, needed: float) -> None:
    r"""Refuses frames `(n, d, m)` that need more bytes than they may take."""
    check_memory(
        needed,
        "'frames'",
        f"frames of {n} samples of {neurons} neurons by {directions} directions",
        "take fewer samples or 'neurons', 'positions', tangents of what varies in the inputs, or frames=None",
        input_tensors(given)[0].device,
    )


def _spread(inputs: Inputs) -> float:
    r"""How far the entries of inputs are from each other, at least as far as they are from zero where all are alike."""
    entries = [t.detach().double() for t in moving_tensors(inputs)]
    squares = torch.cat([(t - t.mean(dim=0)).flatten() for t in entries]).square().mean()
    scale = torch.cat([t.flatten() for t in entries]).square().mean()

    return (squares.sqrt() if squares > NEVER_TAKEN**2 * scale else scale.sqrt()).item() or 1.0

r"""Whether a network's derivatives are those of its values, told by one difference along a random direction."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.probing.hooks import Reader
from equiv.probing.inputs import Inputs, input_tensors, moving_tensors, with_tensors
from equiv.probing.pushforward import FORWARD, REVERSE, pushforward

__all__ = ["derivative_mode"]

# A derivative that differs from the difference of values by more than this share of it is another function's.
# [share of the difference; chosen: kinks within a step cost a percent, what is cut off is of order one]
WRONG_SHARE = 0.05

# How much more than the difference of differences at one and at half a step, and than rounding, is no error of theirs.
# [dimensionless; chosen: the error of a second-order difference is four thirds of theirs, kinks are less regular]
DIFFERENCE_MARGIN = 4.0

# Points lie off the samples by this share of the inputs' spread: at samples kinks are common, black pixels are one.
# [share of the spread; chosen: far less than what makes them other inputs, far more than a step]
OFF_SAMPLES = 0.03


def derivative_mode(
    read: Reader, inputs: Inputs, tangents: list[Tensor] | None, spread: float, first: str
) -> str:
    r"""The mode of differentiation, "forward" or "reverse", that gives the derivative of the values.

    Modules that run in part without gradients are right forward and wrong in reverse; operations may have a formula
    for one of the two alone. Tried is the derivative :math:`u^\top J v` along a random direction v of the inputs (of
    the tangents), against differences :math:`u^\top (\varphi(x + h v) - \varphi(x - h v)) / 2h`. Of networks that
    take no points but the samples, or give nothing finite beside them, the first mode that PyTorch knows is taken.

    Arguments:
        read: The function from inputs to activations.
        inputs: Few samples, in the network's dtype and on its device.
        tangents: As in `pushforward`.
        spread: How far inputs are from each other, in their units.
        first: The mode to prefer.

    Raises:
        ValueError: If neither is right.
    """
    generator = torch.Generator().manual_seed(0)

    def normal(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)

    moving = moving_tensors(inputs)
    away = [OFF_SAMPLES * spread * normal(t) for t in moving]

    if tangents is None:
        direction = [normal(t) for t in moving]
    else:
        weights = normal(tangents[0].flatten(1, -2)[:, 0])  # (b, m)
        direction = [torch.einsum("b...m,bm->b...", t.to(weights), weights) for t in tangents]
        direction = [each.to(x) for each, x in zip(direction, moving, strict=True)]

    length = (
        torch.cat([each.flatten().double() for each in direction]).square().mean().sqrt().clamp_min(1e-300)
    )
    direction = [each * (spread / length).to(each) for each in direction]
    points = _moved(inputs, away, 1.0)
    weight = normal(_values(read, inputs).double())

    differences = _differences(read, points, direction, weight)
    points = inputs if differences is None else points
    refusals = []

    for mode in (first, REVERSE if first == FORWARD else FORWARD):
        try:
            along = _derivative(read, points, direction, weight, mode)
        except torch.OutOfMemoryError:
            raise
        except (NotImplementedError, RuntimeError) as error:
            refusals.append(f"{mode} mode fails ({str(error).splitlines()[0]})")
            continue

        if differences is None or _agree(along, *differences):
            return mode

        refusals.append(f"{mode} mode gives another slope than differences of its values")

    raise ValueError(
        f"'network' should be differentiable for exact frames, got one whose {' and '.join(refusals)}; remove what "
        "detaches, rounds or runs without gradients inside it, give bursts as 'frames', or take frames=None."
    )


def _moved(inputs: Inputs, direction: list[Tensor], step: float) -> Inputs:
    r"""The inputs, the floating ones moved along a direction."""
    along = iter(direction)

    return with_tensors(
        inputs, [t + step * next(along) if t.is_floating_point() else t for t in input_tensors(inputs)]
    )


def _values(read: Reader, inputs: Inputs) -> Tensor:
    with torch.no_grad():
        return read(inputs)


def _agree(along: Tensor, expected: Tensor, allowed: Tensor) -> bool:
    r"""Whether most derivatives are what is expected; at some samples there may be a kink."""
    return bool(((along - expected).abs() <= allowed).double().mean() >= 0.5)


def _differences(
    read: Reader, inputs: Inputs, direction: list[Tensor], weight: Tensor
) -> tuple[Tensor, Tensor] | None:
    r""":math:`u^\top J v` of each sample by differences, `(b,)`, and how far off a derivative may be; None: unknown."""
    unit = read.arithmetic.rounding(moving_tensors(inputs)[0].dtype)
    step = unit ** (1 / 3)

    def slopes(size: float) -> Tensor:
        ahead, behind = (_values(read, _moved(inputs, direction, sign * size)).double() for sign in (1, -1))

        return (ahead - behind) / (2 * size)

    try:
        values, coarse, fine = _values(read, inputs), slopes(step), slopes(step / 2)
    except (RuntimeError, ValueError, AssertionError):
        return None

    rounding = unit * (weight * values.double()).norm(dim=1) / step
    uncertain = (weight * (coarse - fine)).sum(dim=1).abs() + rounding
    expected = (weight * fine).sum(dim=1)

    return (
        (expected, DIFFERENCE_MARGIN * uncertain + WRONG_SHARE * fine.norm(dim=1))
        if expected.isfinite().all()
        else None
    )


def _derivative(read: Reader, inputs: Inputs, direction: list[Tensor], weight: Tensor, mode: str) -> Tensor:
    r""":math:`u^\top J v` of each sample, `(b,)`, by one pass of the mode."""
    if mode == FORWARD:
        along = [each[..., None] for each in direction]
        pushed = pushforward(read, inputs, along, len(weight), FORWARD)[1][..., 0]

        return (weight * pushed.double()).sum(dim=1)

    tensors = [
        t.detach().clone().requires_grad_() if t.is_floating_point() else t for t in input_tensors(inputs)
    ]
    leaves = [t for t in tensors if t.requires_grad]

    with torch.enable_grad():
        values = read(with_tensors(inputs, tensors))

        if not values.requires_grad:
            return weight.new_zeros(len(weight))

        gradients = torch.autograd.grad((weight.to(values) * values).sum(), leaves, materialize_grads=True)

    parts = [(g * v).flatten(1).sum(dim=1) for g, v in zip(gradients, direction, strict=True)]

    return torch.stack(parts).sum(dim=0).double()

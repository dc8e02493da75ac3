r"""Push-forwards of tangent vectors through a network, exactly, by automatic differentiation.

Samples do not influence each other in eval mode, so a whole batch is differentiated at once: forward mode
carries one tangent vector for each sample; reverse mode sums one neuron over the batch, and the gradient
splits by itself.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

from equiv.probing.hooks import Reader
from equiv.probing.inputs import ONE_AT_A_TIME, Inputs, input_tensors, moving_tensors, with_tensors

__all__ = ["FORWARD", "REVERSE", "derivatives_along", "pushforward"]

FORWARD, REVERSE = "forward", "reverse"


def pushforward(
    read: Reader, inputs: Inputs, tangents: list[Tensor] | None, width: int, mode: str
) -> tuple[Tensor, Tensor]:
    r"""Values and push-forwards :math:`J E` for a batch.

    Arguments:
        read: The function from inputs to activations.
        inputs: A batch of b samples, in the network's dtype and on its device.
        tangents: For each floating input the tangent vectors, shape `(b, *input_shape, m)`; None: all unit
            vectors of all floating inputs, m = the number of their entries.
        width: The largest batch to call the network on.
        mode: "forward", which costs m passes, or "reverse", which costs d.

    Returns:
        Values, shape `(b, d)`, and push-forwards, shape `(b, d, m)`.

    Raises:
        NotImplementedError: If PyTorch knows no such derivative of what the network does.
    """
    with torch.no_grad():
        values = read(inputs)

    if mode == REVERSE:
        return values, _reverse(read, inputs, tangents, values.shape[1])

    moving = moving_tensors(inputs)
    m = sum(t[0].numel() for t in moving) if tangents is None else tangents[0].shape[-1]

    return values, _forward(read, inputs, tangents, m, width)


def _directions(inputs: Inputs, tangents: list[Tensor] | None, index: range) -> list[Tensor]:
    r"""The tangent vectors `index` of the floating inputs, shape `(len(index), b, *input_shape)`."""
    moving = moving_tensors(inputs)

    if tangents is not None:
        return [
            t[..., index.start : index.stop].movedim(-1, 0).to(x)
            for t, x in zip(tangents, moving, strict=True)
        ]

    out, first = [], 0

    for x in moving:
        size = x[0].numel()
        unit = x.new_zeros(len(index), size)

        for row, k in enumerate(index):
            if first <= k < first + size:
                unit[row, k - first] = 1

        out.append(unit.reshape(len(index), 1, *x.shape[1:]).expand(-1, *x.shape))
        first += size

    return out


def _dual(x: Tensor, tangent: Tensor) -> Tensor:
    r"""The dual number :math:`x + \varepsilon\, t`."""
    with warnings.catch_warnings():
        # PyTorch compiles its forward-mode formulas at the first dual number, by a function that it
        # deprecates.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)

        return forward_ad.make_dual(x, tangent)


def derivatives_along(function: Callable[[Tensor], Tensor], points: Tensor, frames: Tensor) -> Tensor:
    r"""Derivatives of a function of single points along frames, in forward mode.

    Arguments:
        function: `(n, d)` to `(n, k)`, row by row.
        points: Shape `(n, d)`.
        frames: Shape `(n, d, m)`.

    Returns:
        :math:`Df\, J`, shape `(n, k, m)`.
    """
    columns = []

    if frames.shape[2] == 0:
        with torch.no_grad():
            return function(points)[:, :, None][:, :, :0]

    for direction in frames.unbind(dim=2):
        with ONE_AT_A_TIME, torch.no_grad(), forward_ad.dual_level():
            value, tangent = forward_ad.unpack_dual(function(_dual(points, direction.contiguous())))
            columns.append(torch.zeros_like(value) if tangent is None else tangent.clone())

    return torch.stack(columns, dim=2)


def _forward(read: Reader, inputs: Inputs, tangents: list[Tensor] | None, m: int, width: int) -> Tensor:
    tensors = input_tensors(inputs)
    b = len(tensors[0])
    group = max(width // b, 1)
    pushed = None

    for first in range(0, m, group):
        index = range(first, min(first + group, m))
        directions = iter(_directions(inputs, tangents, index))

        with torch.no_grad(), forward_ad.dual_level():
            duals = []

            for x in tensors:
                repeated = x.repeat(len(index), *[1] * (x.ndim - 1))

                if x.is_floating_point():
                    repeated = _dual(repeated, next(directions).reshape(repeated.shape).contiguous())

                duals.append(repeated)

            tangent = forward_ad.unpack_dual(read(with_tensors(inputs, duals))).tangent

            if tangent is None:
                raise NotImplementedError("The network's output carries no forward-mode derivative.")

            columns = tangent.reshape(len(index), b, -1).permute(1, 2, 0)

            if pushed is None:  # once for all columns, and no second time to join them in
                pushed = columns.new_empty(*columns.shape[:2], m)

            pushed[:, :, index.start : index.stop] = columns

    assert pushed is not None

    return pushed


def _reverse(read: Reader, inputs: Inputs, tangents: list[Tensor] | None, d: int) -> Tensor:
    with torch.enable_grad():
        tensors = [
            t.detach().clone().requires_grad_() if t.is_floating_point() else t for t in input_tensors(inputs)
        ]
        leaves = [t for t in tensors if t.requires_grad]
        values = read(with_tensors(inputs, tensors))
        b = len(values)

        if not values.requires_grad:
            m = sum(t[0].numel() for t in leaves) if tangents is None else tangents[0].shape[-1]

            return values.new_zeros(b, d, m)

        pushed = None

        for k in range(d):
            gradients = torch.autograd.grad(
                values[:, k].sum(), leaves, retain_graph=k + 1 < d, materialize_grads=True
            )
            flat = [g.reshape(b, 1, -1) for g in gradients]

            if tangents is not None:
                flat = [g @ t.to(g).reshape(b, -1, t.shape[-1]) for g, t in zip(flat, tangents, strict=True)]
                flat = [torch.stack(flat).sum(dim=0)]

            row = torch.cat(flat, dim=2).detach()

            if pushed is None:
                pushed = row.new_empty(b, d, row.shape[2])

            pushed[:, k : k + 1] = row

    assert pushed is not None

    return pushed

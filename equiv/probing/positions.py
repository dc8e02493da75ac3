r"""Positions: what becomes of outputs that have several, tokens `(n, T, d)` and pictures `(n, C, H, W)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from equiv.checks import in_one_line, nearest_name
from equiv.probing.inputs import ATTENTION_MASK, Inputs, checked_mask, checked_tensor

__all__ = ["POSITIONS", "agreed_mask", "arranged", "check_positions", "counted", "positioned", "token_mask"]

POSITIONS = ("each", "mean", "last")


def check_positions(positions: object) -> None:
    r"""Positions are treated in a way that there is.

    Raises:
        ValueError: If they are not.
    """
    if positions is not None and positions not in POSITIONS:
        raise ValueError(
            f"'positions' should be None, {', '.join(map(repr, POSITIONS))}, got {in_one_line(positions)}"
            f"{nearest_name(str(positions), POSITIONS)}"
        )


def token_mask(inputs: Inputs) -> Tensor | None:
    r"""Which positions of a batch hold tokens rather than padding, `(n, T)`, bool; None where nothing is said."""
    return inputs[ATTENTION_MASK].bool() if isinstance(inputs, dict) and ATTENTION_MASK in inputs else None


def agreed_mask(sources: Mapping[str, Any]) -> Tensor | None:
    r"""Which tokens count, `(n, T)`, bool, as the `attention_mask` says that some mappings hold; None where none does.

    Arguments:
        sources: Inputs, recorded layers and whatever else may be a mapping, by what each is called.

    Raises:
        TypeError: If a mask is no array.
        ValueError: If it is none of zeros and ones, or masks differ.
    """
    known = {}

    for name, source in sources.items():
        if hasattr(source, "keys") and ATTENTION_MASK in source.keys():  # noqa: SIM118
            said = f"{name}[{ATTENTION_MASK!r}]"
            known[said] = checked_mask(checked_tensor(source[ATTENTION_MASK], said), said).bool().cpu()

    if not known:
        return None

    (first, mask), *others = known.items()

    for name, other in others:
        if not torch.equal(other, mask):
            raise ValueError(
                f"'{name}' should leave out the same tokens as '{first}', got another mask; record both networks at "
                "the same texts, split into the same tokens."
            )

    return mask


def arranged(output: Tensor, positions: str | None, mask: Tensor | None, layer: str) -> Tensor:
    r"""The output of a layer as `(n, P, d)`: its positions, or what they are summed up to.

    Tokens `(n, T, d)` have T positions; pictures `(n, C, H, W)`, and volumes, have those behind their channels.

    Arguments:
        output: The output, samples first.
        positions: None: one position, all flattened; "each": all of them; "mean" and "last": one.
        mask: Which tokens count, `(n, T)`, of outputs that have as many positions; None: all.
        layer: In words, for the error.

    Raises:
        ValueError: If there are no positions where each is to be a sample; if the mask is of another number of
            them; if the last of a picture is asked for.
    """
    n = len(output)

    if positions is None or (output.ndim <= 2 and positions != "each"):
        return output.reshape(n, 1, -1)

    if output.ndim <= 2:
        raise ValueError(
            f"'positions' should be None, 'mean' or 'last' for outputs without positions, got 'each' for shape "
            f"{tuple(output.shape)} of {layer}; observe a layer of tokens (n, T, d) or pictures (n, C, H, W)."
        )

    if output.ndim > 3:
        if positions == "last":
            raise ValueError(
                f"'positions' should be 'each' or 'mean' for pictures, got 'last' for shape {tuple(output.shape)} "
                f"of {layer}; the last of their positions is but a corner."
            )

        output = output.flatten(2).mT

    if mask is not None and mask.shape[1] != output.shape[1]:
        raise ValueError(
            f"{ATTENTION_MASK!r} should have the {output.shape[1]} positions of {layer}, got "
            f"{mask.shape[1]}; observe a layer that keeps the tokens, or positions=None."
        )

    if positions == "each":
        return output

    kept = output.new_ones(output.shape[:2], dtype=torch.bool) if mask is None else mask.to(output.device)

    if positions == "mean":  # what stands at padding may be NaN
        total = torch.where(kept[..., None], output, 0.0).sum(dim=1, keepdim=True)

        return total / kept.sum(dim=1)[:, None, None]

    last = (kept * torch.arange(kept.shape[1], device=kept.device)).argmax(dim=1)

    return output[torch.arange(n, device=last.device), last][:, None]


def counted(mask: Tensor | None, n: int, positions: int) -> tuple[Tensor, Tensor]:
    r"""Of n samples with so many positions each: the rows that count, and the sample of each of these rows."""
    kept = torch.ones(n, positions, dtype=torch.bool) if mask is None else mask.cpu()
    rows = kept.flatten().nonzero()[:, 0]

    return rows, rows // positions


def positioned(
    output: Tensor, positions: str | None, layer: str, mask: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    r"""A recorded output `(n, ...)` as samples `(N, d)`, and the input of each where each position is one.

    Arguments:
        output: The output, samples first.
        positions: As in `equiv.probe`.
        layer: In words, for the error.
        mask: Which tokens count, `(n, T)`, bool; None: all.

    Raises:
        ValueError: If positions are treated in a way that there is not, or that the output does not allow.
    """
    check_positions(positions)
    rows = arranged(output, positions, mask, layer)

    if positions != "each":
        return rows.flatten(0, 1), None

    kept, groups = counted(mask, *rows.shape[:2])

    return rows.flatten(0, 1)[kept.to(rows.device)], groups

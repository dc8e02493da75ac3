r"""The independent draws of samples at which two sides are seen, as given or found, and what few of them leave open."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.metric.dependence import find_draws, given_draws
from equiv.metric.neuron_scale import unit_spread
from equiv.observe.draws import Draws
from equiv.observe.frames import split_frames
from equiv.verdict import Interval

__all__ = ["MIN_DRAWS", "enclosing", "joint_rank", "paired_draws"]

# Fewer independent draws leave bounds that hold nothing.
# [draws; chosen: bounds of eight groups are four times as wide as the error, of fewer wider yet]
MIN_DRAWS = 8

# The frames of so many samples tell the dimension of the inputs.
# [samples; chosen: a median of ranks that are nearly all alike]
RANKED_SAMPLES = 100


def paired_draws(
    a: Tensor, b: Tensor, groups: Tensor | None, rank: int | None = None
) -> tuple[Draws, Draws | None]:
    r"""The independent draws, as given or found, and those that they cannot be told from; None where they can.

    Arguments:
        a: What is seen on one side, `(n, d_a)`.
        b: On the other, at the same inputs, `(n, d_b)`.
        groups: Labels `(n,)` of samples that are one independent draw; None: draws are looked for.
        rank: Dimension of what both sides together see of the inputs, as frames tell it; None: no frames.
    """
    if groups is not None:
        return given_draws(groups.to(a.device)), None

    return find_draws(torch.cat([unit_spread(a.double()), unit_spread(b.double())], dim=1), rank)


def joint_rank(*frames: Tensor) -> int:
    r"""The median rank of frames `(n, d, m)` of several sides along the same directions, of some of the samples.

    Each side may see other directions: all of them move the samples.
    """
    some = [each[:RANKED_SAMPLES] for each in frames]
    sides = [each / each.abs().max().clamp_min(1e-300) for each in some]

    return int(split_frames(torch.cat(sides, dim=1))[2].median().item())


def enclosing(found: Interval, other: Interval) -> Interval:
    r"""The first interval made as wide as to hold the bounds of another."""
    return Interval(found.estimate, min(found.low, other.low), max(found.high, other.high))

r"""Several processes, each with a part of the samples: observations gathered.

All here works on the default group of `torch.distributed`, whoever set it up (Lightning's strategies, torchrun),
and for a single process where nobody did. Every process has to call the same functions in the same order.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist

from equiv.observe.observations import Observations

__all__ = ["gathered", "part", "rank_and_count"]


def rank_and_count() -> tuple[int, int]:
    r"""Number of this process, from 0, and how many there are; 0 and 1 where nobody set up a group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()

    return 0, 1


def part(n: int) -> slice:
    r"""The rows, out of n, that this process is to observe: consecutive ones, shares as equal as can be."""
    rank, count = rank_and_count()

    return slice(n * rank // count, n * (rank + 1) // count)


def gathered(observations: Observations) -> Observations:
    r"""The observations of all processes, on every process, in the order of their ranks.

    Arguments:
        observations: Those of this process: of the same neurons, with frames of the same dimension or without
            any, on every process; the numbers of samples may differ.
            Equal labels of groups name one group on all processes.

    Raises:
        ValueError: If the processes observed different neurons or dimensions.
    """
    _, count = rank_and_count()

    if count == 1:
        return observations

    values, frames, groups = observations.values, observations.frames, observations.groups
    trailing = [None] * count
    kind = (values.shape[1], None if frames is None else frames.shape[2], groups is not None)
    dist.all_gather_object(trailing, kind)

    if len(set(trailing)) > 1:
        raise ValueError(
            "'observations' should hold the same neurons and dimension of frames on every process, and groups on all "
            f"or none, got (neurons, dimension, groups) = {trailing}; give 'dimension' when probing."
        )

    return Observations(
        _rows_of_all(values),
        None if frames is None else _rows_of_all(frames),
        None if groups is None else _rows_of_all(groups.to(values.device)),
        burst_size=observations.burst_size,
        oriented=observations.oriented,
        taken=observations.taken,
        unframed=observations.unframed,
    )


def _rows_of_all(rows: Tensor) -> Tensor:
    r"""The rows `(n, ...)` of all processes one below the other; collectives need equal shapes, hence padding."""
    own = torch.tensor(len(rows), device=rows.device)
    counts = [torch.zeros_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own)
    most = int(torch.stack(counts).max())
    padded = torch.cat([rows, rows.new_zeros(most - len(rows), *rows.shape[1:])])
    every = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(every, padded)

    return torch.cat([each[: int(count)] for each, count in zip(every, counts, strict=True)])

r"""Galerkin maps of several processes: the functions shared, the sums added up.

maps = equiv.GalerkinMaps()
share_functions(maps, batches[0])     # process 0 chooses the functions, by its own samples
for batch in batches:                 # each process its own, as many as it has
    maps.partial_fit(batch)
add_up(maps)                          # every process ends with the same maps
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed as dist

from equiv.observe.observations import Observations
from equiv.observe.processes import rank_and_count
from equiv.spectral.galerkin import GalerkinMaps

__all__ = ["add_up", "share_functions"]


def share_functions(maps: GalerkinMaps, observations: Observations, weights: Any = None) -> None:
    r"""Chooses the functions of Galerkin maps on process 0, and hands them to every process.

    Arguments:
        maps: Of this process, without samples so far.
        observations: Of this process; those of process 0 decide, and should be representative.
        weights: As in `GalerkinMaps.fit`.

    Raises:
        TypeError, ValueError: As `GalerkinMaps.fit`, on process 0.
    """
    rank, count = rank_and_count()

    if rank == 0:
        maps.choose(observations, weights)

    if count > 1:
        chosen = [maps]
        dist.broadcast_object_list(chosen)
        vars(maps).update(vars(chosen[0]))
        maps.basis_ = maps.basis_.to(observations.device, torch.float64)


def add_up(maps: GalerkinMaps) -> None:
    r"""Replaces the sums of Galerkin maps by those over all processes, so that all hold the same maps.

    Raises:
        RuntimeError: If this process added no samples.
    """
    if rank_and_count()[1] > 1:
        total = maps.sums_.clone()
        dist.all_reduce(total)
        maps.sums_ = total

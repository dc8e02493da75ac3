r"""Doors with arguments that are right, but for those that are given."""

from collections.abc import Callable
from typing import Any

from doors import framed, network, values
from torch import Tensor
from wrong import INPUTS

import equiv
from equiv import Observations

A, B = Observations(values()), Observations(2 * values())


def compared(**options: Any) -> Any:
    return equiv.compare(A, B, paired=True, **options)


def unpaired(**options: Any) -> Any:
    return equiv.compare(framed(), framed(seed=1), paired=False, **options)


def layered(**options: Any) -> Any:
    return equiv.compare_layers({"x": values()}, {"y": 2 * values()}, **options)


def sorted_out(**options: Any) -> Any:
    return equiv.equivalence_classes([A, B], **options)


def rebuilt(**options: Any) -> Any:
    return equiv.reconstruct(values(), 2 * values(), **options)


def probed(**options: Any) -> Any:
    return equiv.probe(network(), INPUTS, **options)


def networks(**options: Any) -> Any:
    return equiv.compare(network(), network(), INPUTS, **options)


def read_out(readout: Any) -> Any:
    return compared(readout_b=readout)


def burst(make: Callable[[Tensor], Any], **options: Any) -> Any:
    return probed(**{"frames": make, "burst_std": 0.1} | options)

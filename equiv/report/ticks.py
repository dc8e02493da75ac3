r"""Where the numbers of an axis stand."""

from __future__ import annotations

import math

__all__ = ["log_ticks", "nice_ticks"]


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    r"""At most about `most` round numbers from `low` to `high`."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= rough)

    return [float(f"{k * step:.10g}") for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    r"""At most `most` powers of ten from `low` to `high`, and their double and half where these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside = [10.0**power for power in powers if low <= 10.0**power <= high]

    if len(inside) < 3:
        fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        return [value for value in fine if low <= value <= high][:most]

    return inside[:: math.ceil(len(inside) / most)]

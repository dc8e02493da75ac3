r"""How much memory a computation may take: estimated and refused before anything is allocated."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

__all__ = [
    "Unaffordable",
    "check_memory",
    "check_regression",
    "held_bytes",
    "memory_limit",
    "regression_bytes",
]

# The environment variable that sets the limit, in GiB.
LIMIT = "EQUIV_MEMORY_LIMIT"

# Of the memory that is free, so much may be taken unless the limit says otherwise.
# [share of what is free; chosen: the rest is left to others, and to what estimates leave out]
FREE_SHARE = 0.75

# A GiB.
# [bytes; derived: 1024 cubed]
GIB = 2**30

# What a comparison holds at once of its values: both maps, what they miss, and one more regression.
# [bytes a number; measured: 68 at 64 samples of two layers of 200,704 neurons]
VALUE_BYTES = 72

# What a regression holds at once of frames: as given, standardised, by draws left out, and in a product.
# [bytes a number; derived: four times float64]
FRAME_BYTES = 32

# What the equations of a regression take: a Gram matrix, its factor, a product and a copy in float64.
# [bytes a pair; measured: 32 at 3,000 equations]
PAIR_BYTES = 32

# And where they are of values alone: nine of float64, for distances and kernels are as large as the matrix.
# [bytes a pair; measured: 68 to 78 at 3,000 equations]
VALUE_PAIR_BYTES = 72

# Where Linux says what a group of processes may take and takes, by version of the groups.
CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class Unaffordable(ValueError):
    r"""What would take more memory than it may."""


def check_memory(
    needed: float,
    argument: str,
    taken_by: str,
    fix: str,
    device: torch.device | None = None,
    held: float = 0.0,
) -> None:
    r"""Refuses what would take more memory than it may.

    Arguments:
        needed: The largest that is allocated at once, in bytes, estimated.
        argument: The argument whose size it is, in quotes, for the error.
        taken_by: What would take it, in words.
        fix: What to do, in a few words.
        device: Where it would be allocated; None: in main memory.
        held: What is held besides, from before, in bytes: a limit that is set holds for both, and what is free is free
            of it.

    Raises:
        Unaffordable: If it is more than `memory_limit`.
    """
    limit = memory_limit(device)

    if os.environ.get(LIMIT):
        needed += held

    if needed > limit:
        raise Unaffordable(
            f"{argument} should fit into {limit / GIB:.3g} GiB ({LIMIT}, else three quarters of what is free), got "
            f"{taken_by} of about {needed / GIB:.3g} GiB; {fix}."
        )


def check_regression(
    argument: str,
    n: int,
    neurons: int,
    equations: int,
    directions: int = 0,
    device: torch.device | None = None,
) -> None:
    r"""Refuses data, frames included, of which a regression would hold more than memory may.

    Arguments:
        argument: The arguments that hold them, in quotes, for the error.
        n: Samples.
        neurons: Of source and target together.
        equations: The most that the map between them is learned from.
        directions: Of the frames of each; 0 for none.
        device: Where they are; None: in main memory.

    Raises:
        Unaffordable: If it would.
    """
    check_memory(
        regression_bytes(n, neurons, equations, directions),
        argument,
        f"a regression on {n} samples of {neurons} neurons with {directions} directions each and {equations} equations",
        "take fewer samples or neurons, or leave the frames out",
        device,
    )


def regression_bytes(n: int, neurons: int, equations: int, directions: int = 0) -> float:
    r"""What a regression holds at once, in bytes; arguments as of `check_regression`."""
    return (
        held_bytes(n, neurons, directions) + (PAIR_BYTES if directions else VALUE_PAIR_BYTES) * equations**2
    )


def held_bytes(n: int, neurons: int, directions: int = 0) -> float:
    r"""What is held of data throughout a comparison, in bytes; arguments as of `check_regression`."""
    return n * neurons * (VALUE_BYTES + FRAME_BYTES * directions)


def memory_limit(device: torch.device | None = None) -> float:
    r"""How many bytes may be taken: `EQUIV_MEMORY_LIMIT` in GiB, else three quarters of what is free.

    Infinite where the system does not say what is free.

    Raises:
        ValueError: If the variable is no positive number.
    """
    said = os.environ.get(LIMIT)

    if said:
        try:
            limit = float(said)
        except ValueError:
            limit = math.nan

        if not limit > 0:
            raise ValueError(f"'{LIMIT}' should be a positive number of GiB, got {said!r}; set it to 8, say.")

        return limit * GIB

    if device is not None and device.type == "cuda":
        return FREE_SHARE * torch.cuda.mem_get_info(device)[0]

    return FREE_SHARE * _free()


def _free() -> float:
    r"""Bytes of main memory that are free, for this group of processes where there is one."""
    free = [_machine(), *(_number(most) - _number(now) for most, now in CONTROL_GROUPS if Path(now).exists())]

    return min(free)


def _machine() -> float:
    lines = Path("/proc/meminfo")

    if lines.exists():
        for line in lines.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024

    try:  # not Linux: all there is, for no system says in the same way what is free
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def _number(path: str) -> float:
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return math.inf

    return float(text) if text.isdigit() else math.inf

r"""Paired families of an adversary, each a function of a `Draw` to a pair whose truth is proved in its docstring."""

from __future__ import annotations

import zlib

from adversary_atoms import ATOMS
from adversary_copies import COPIES
from adversary_neurons import NEURONS
from adversary_paths import PATHS
from adversary_smooth import SMOOTH
from adversary_tokens import TOKENS
from adversary_truth import Paired
from families import Draw

__all__ = ["PAIRED", "draw_paired", "own_seed"]

PAIRED = {family.__name__: family for family in (*COPIES, *PATHS, *ATOMS, *NEURONS, *SMOOTH, *TOKENS)}


def own_seed(family: str, seed: int) -> int:
    r"""A seed that no other family has, and that new families leave as it is."""
    return zlib.crc32(f"{family} {seed}".encode())


def draw_paired(family: str, seed: int) -> Paired:
    r"""A pair of the family, its sides exchanged for odd seeds."""
    pair = PAIRED[family](Draw(own_seed(family, seed)))

    return pair.exchanged if seed % 2 else pair

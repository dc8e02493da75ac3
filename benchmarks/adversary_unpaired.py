r"""Unpaired families of an adversary, each a function of a `Draw` to two spaces whose relation is known."""

from __future__ import annotations

from adversary_manifolds import MANIFOLDS
from adversary_paired import own_seed
from adversary_regions import REGIONS
from adversary_shapes import SHAPES
from adversary_sides import Unpaired
from adversary_stretches import STRETCHES
from families import Draw

__all__ = ["UNPAIRED", "draw_unpaired"]

UNPAIRED = {family.__name__: family for family in (*STRETCHES, *SHAPES, *MANIFOLDS, *REGIONS)}


def draw_unpaired(family: str, seed: int) -> Unpaired:
    r"""A pair of the family, its sides exchanged for odd seeds where that is as good."""
    case = UNPAIRED[family](Draw(own_seed(family, seed)))

    return case.exchanged if seed % 2 else case

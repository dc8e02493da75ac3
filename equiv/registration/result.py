r"""What a registration of two coordinate domains consists of."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.supports.outline_fit import Alignment
from equiv.supports.support import share_inside
from equiv.verdict import NAME_A, NAME_B

__all__ = ["Registration", "Relation", "overlaps"]


class Relation(enum.StrEnum):
    r"""What the geometry says about the two spaces; the text of a `Sentence`."""

    ISOMETRIC = "isometric"
    A_ONTO_B = f"{NAME_A} maps onto {NAME_B}"
    B_ONTO_A = f"{NAME_B} maps onto {NAME_A}"
    NONE = "no local isometry"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Registration:
    r"""A local isometry from a source to a target domain, with its evidence.

    Attributes:
        relation: ISOMETRIC and A_ONTO_B: the source is A and the target B. B_ONTO_A: the reverse. NONE and
            UNDECIDED: excluded, or not found; there is no motion.
        reason: One sentence, without full stop, that names the networks as a `Sentence` does.
        motion: From source to target coordinates.
        residuals: Misfit at each anchor, shape `(k,)`, in input units; None without anchors.
        rejected: Rows of the anchors that contradict the others.
        symmetries: Number of equally good registrations; 0 without any.
        overlap_a: Share of A's samples that lie in B's support.
        overlap_b: Share of B's samples that lie in A's support.
        alignment: How the outlines fit, where they decided.
        slack: RMS displacement in the target that leaves the fit as good, where extents decided, in input units.
    """

    relation: Relation
    reason: str
    motion: Motion | None = None
    residuals: Tensor | None = None
    rejected: tuple[int, ...] = ()
    symmetries: float = 0
    overlap_a: float = math.nan
    overlap_b: float = math.nan
    alignment: Alignment | None = None
    slack: float = 0.0


def overlaps(source: Domain, target: Domain, motion: Motion) -> tuple[float, float]:
    r"""Shares of the source's samples that land in the target's support, and of the target's in the image."""
    moved = motion(source.coordinates)

    return (
        share_inside(moved, target.coordinates, target.periods),
        share_inside(target.coordinates, moved, target.periods),
    )

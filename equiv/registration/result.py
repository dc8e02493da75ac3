r"""What a registration of two coordinate domains consists of."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import Tensor

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.supports.outline_fit import Alignment
from equiv.supports.strains import AffineFreedom
from equiv.supports.support import share_inside
from equiv.verdict import NAME_A, NAME_B

__all__ = ["OVERLAP_MARGIN", "Registration", "Relation", "joint_accuracy", "overlaps", "registration_by"]


# Overlaps that differ by less are told apart by chance alone.
# [share of the samples; chosen: three standard errors of nine tenths of 2,000 samples]
OVERLAP_MARGIN = 0.02


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
        slack: RMS displacement in the target that leaves the fit as good, where support functions decided,
            in input units.
        alternatives: The other motions that fit as well; of a continuum, members spread evenly over it.
        freedom: How far the motion may be off by turns and strains that anchors leave open; None where they leave none.
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
    alternatives: tuple[Motion, ...] = ()
    freedom: AffineFreedom | None = None

    @property
    def overlap(self) -> float:
        r"""The smaller of both overlaps."""
        return min(self.overlap_a, self.overlap_b)

    @property
    def mirrored(self) -> Registration:
        r"""The same finding with the names A and B exchanged; source and target stay what they are.

        Of an isometry the source is A whatever the names: it would have to be found anew.
        """
        assert self.relation is not Relation.ISOMETRIC
        opposite = {Relation.A_ONTO_B: Relation.B_ONTO_A, Relation.B_ONTO_A: Relation.A_ONTO_B}

        return replace(
            self,
            relation=opposite.get(self.relation, self.relation),
            overlap_a=self.overlap_b,
            overlap_b=self.overlap_a,
        )


def joint_accuracy(source: Domain, target: Domain) -> float:
    r"""RMS difference that the errors of both domains' coordinates make, in input units."""
    return math.hypot(source.accuracy, target.accuracy)


def registration_by(
    motion: Motion,
    source: Domain,
    target: Domain,
    relation: Relation = Relation.ISOMETRIC,
    reason: str = "",
    *,
    residuals: Tensor | None = None,
    rejected: tuple[int, ...] = (),
    symmetries: float,
    alignment: Alignment | None = None,
    slack: float = 0.0,
    alternatives: Iterable[Motion] = (),
) -> Registration:
    r"""The registration by a motion, with the overlaps that it leaves; arguments as of `Registration`."""
    overlap_a, overlap_b = overlaps(source, target, motion)

    return Registration(
        relation,
        reason,
        motion,
        residuals,
        rejected,
        symmetries,
        overlap_a,
        overlap_b,
        alignment,
        slack,
        tuple(alternatives),
    )


def overlaps(source: Domain, target: Domain, motion: Motion) -> tuple[float, float]:
    r"""Shares of the source's samples that land in the target's support, and of the target's in the image."""
    moved = motion(source.coordinates)

    return (
        share_inside(moved, target.coordinates, target.periods),
        share_inside(target.coordinates, moved, target.periods),
    )

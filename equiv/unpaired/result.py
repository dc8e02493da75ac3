r"""The result of an unpaired comparison, built from what either way of comparing has found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from equiv.charts.chart import Chart
from equiv.comparison import Comparison
from equiv.findings.direction import Direction, in_addition
from equiv.observe.observations import Observations
from equiv.shared_part.readout import Readout
from equiv.transformation import NoMap, Transformation
from equiv.unpaired.readouts import Answers, Place, answers_without_pairs
from equiv.verdict import NAME_A, NAME_B, Interval, Sentence, decide, determines

__all__ = ["NO_MAP", "UNKNOWN", "Facts", "Finding", "SideFacts", "conclude"]

UNKNOWN = Interval(math.nan, math.nan, math.nan)

# Where a direction is excluded no map is returned.
# [share of the target's spread; derived: the error of always predicting the mean]
NO_MAP = Interval(1.0, 1.0, 1.0)

# Why a large error of a map that was found excludes no other: without pairs only the geometry does.
COORDINATES_ERROR = "the spaces fit, and the error may be one of their coordinates alone"


@dataclass(frozen=True, kw_only=True)
class SideFacts:
    r"""What was found out about one side; what has its default was not.

    Attributes:
        intrinsic_dimension: Of the input space.
        embedding: Whether its coordinates are to be trusted.
        kinked: Whether frames jump between neighbours.
        periods: Lengths of the periods, in input units.
        strain: RMS relative error of lengths in the chart.
        residual: Root mean square misfit of the pairs of neighbours over their lengths.
        eigenvalues: Lowest ones of minus the Laplacian, in 1 / (input unit)^2; None where they could not be computed.
        samples: How many.
        neurons: How many.
        rank: Of most frames.
        rank_share: Share of the frames that have it.
        left_out: Share of the inputs that was left out, 0 where none was.
        left_out_samples: Their rows.
    """

    intrinsic_dimension: int | None = None
    embedding: bool
    kinked: bool | None = None
    periods: Sequence[float] | None = None
    strain: float | None = None
    residual: float | None = None
    eigenvalues: Sequence[float] | None = ()
    samples: int | None = None
    neurons: int | None = None
    rank: int | None = None
    rank_share: float | None = None
    left_out: float = field(default_factory=float)  # which is told where it is 0, too
    left_out_samples: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    r"""The numbers and sentences behind a comparison; what has its default was not found out.

    Attributes:
        method: Coordinates that were used.
        method_reason: Why.
        relation: What the geometry says about the two spaces.
        relation_reason: Why.
        anchors: How many were given.
        rejected_anchors: Rows of those that contradict the others.
        left_out_anchors: Rows of those whose samples are left out on either side.
        overlap_a: Share of A's samples that lie where B has samples.
        overlap_b: Share of B's samples that lie where A has samples.
        spectral_distance: Mean relative difference of eigenvalues.
        objections_a: Why A's chart is not to be trusted.
        objections_b: Why B's is not.
        anchor_residual: RMS misfit at the anchors, in input units.
        outline_misfit: RMS distance between the outlines, in distances of samples there.
        registration_misfit: RMS distance of the registered eigenfunctions, in distances of samples.
        strain: RMS relative error of lengths that the map between eigenfunctions leaves.
        dilation: Mean relative error of lengths, by which the one space is larger.
        a: What was found out about A alone.
        b: Likewise about B.
    """

    method: str
    method_reason: str
    relation: str | None = None
    relation_reason: str | None = None
    anchors: int | None = None
    rejected_anchors: Sequence[int]
    left_out_anchors: Sequence[int] = ()
    overlap_a: float
    overlap_b: float
    spectral_distance: float | None = None
    objections_a: Sequence[str] = ()
    objections_b: Sequence[str] = ()
    anchor_residual: float | None = None
    outline_misfit: float | None = None
    registration_misfit: float | None = None
    strain: float | None = None
    dilation: float | None = None
    a: SideFacts
    b: SideFacts


@dataclass(frozen=True, kw_only=True)
class Finding:
    r"""What a way of comparing has found, before the verdict.

    Attributes:
        facts: The numbers and sentences behind it.
        transformation: From A to B, with its inverse.
        a_to_b: Error of the transformation, a share of B's spread.
        b_to_a: Error of its inverse, a share of A's spread.
        blocking: Reasons that forbid a conclusion.
        explanation: Why one direction or both are excluded, without full stop; empty where none is.
        symmetries: Number of isometries that fit equally well; 0 without any.
        equally_good: What these are, in words.
        ambiguity: RMS distance to the farthest of them over the target's spread, from A to B and back.
        coordinates_a: Coordinates of A's samples in B's frame of reference, `(n_a, m)`; None for none.
        coordinates_b: Coordinates of B's samples, `(n_b, m)`; None for none.
        chart_a: Chart of A; None where there is none.
        chart_b: Chart of B, likewise.
        places: Where samples are sent, from A to B and back, for what is read off there; no places where there is no
            map.
    """

    facts: Facts
    transformation: Transformation
    a_to_b: Interval = UNKNOWN
    b_to_a: Interval = UNKNOWN
    blocking: Sequence[str] = ()
    explanation: str = ""
    symmetries: float = 0
    equally_good: str = ""
    ambiguity: tuple[float, float] = (0.0, 0.0)
    coordinates_a: Tensor | None = None
    coordinates_b: Tensor | None = None
    chart_a: Chart | None = None
    chart_b: Chart | None = None
    places: Callable[[], tuple[list[Place], list[Place]]] = lambda: ([], [])

    @classmethod
    def nothing(cls, reason: str, method: str, method_reason: str) -> Finding:
        r"""What is found where a method leads nowhere, for a reason that is one sentence."""
        nowhere = SideFacts(embedding=False)

        return cls(
            facts=Facts(
                method=method,
                method_reason=method_reason,
                rejected_anchors=[],
                overlap_a=math.nan,
                overlap_b=math.nan,
                a=nowhere,
                b=nowhere,
            ),
            transformation=Transformation(NoMap(Sentence(reason)), NoMap(Sentence(reason))),
            blocking=[reason[:1].lower() + reason[1:].rstrip(".")],
        )


def conclude(
    a: Observations,
    b: Observations,
    found: Finding,
    tolerance: float,
    confidence: float,
    seed: int = 0,
    readouts: tuple[Readout | None, Readout | None] = (None, None),
) -> Comparison:
    r"""The comparison of A and B, with the verdict that follows from what was found.

    Arguments:
        a: Observations of A.
        b: Observations of B.
        found: What a way of comparing has found.
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
        seed: Seeds what is drawn for read-outs.
        readouts: What the rest of each network makes of its activations; None where nothing is read off.
    """
    doubts = [[] if error == NO_MAP else [COORDINATES_ERROR] for error in (found.a_to_b, found.b_to_a)]
    verdict, sentence = decide(
        found.a_to_b,
        found.b_to_a,
        tolerance,
        confidence=confidence,
        blocking=found.blocking,
        doubts_a_to_b=doubts[0],
        doubts_b_to_a=doubts[1],
    )

    if found.explanation and not found.blocking:
        sentence += f" Why: {found.explanation}."

    if found.symmetries > 1:
        many = "infinitely many" if math.isinf(found.symmetries) else f"{found.symmetries:g}"
        apart = max(found.ambiguity)

        if apart > tolerance:
            # Which one it is changes more than the error does: that is read first.
            first = (
                f"The transformation is one of {many} {found.equally_good}, up to {100 * apart:.0f} % of the "
            )
            sentence = Sentence(f"{first}spread apart. ") + sentence
        else:
            sentence += f" There are {many} {found.equally_good}; the transformation is one of them."

    # What is rare among the samples of either side is not told from what the other side alone has.
    share = min(
        _compared(_draws(obs), side.left_out, confidence)
        for obs, side in ((a, found.facts.a), (b, found.facts.b))
    )
    answers = _answers(a, b, found, readouts, confidence, seed)
    a_to_b, b_to_a = (
        Direction(error, share, apart, readout_error=read[0], readout_agreement=read[1])
        for error, apart, read in zip((found.a_to_b, found.b_to_a), found.ambiguity, answers, strict=True)
    )
    sentence += in_addition(a_to_b, NAME_A, NAME_B, determines(found.a_to_b, tolerance, doubts[0]))
    sentence += in_addition(b_to_a, NAME_B, NAME_A, determines(found.b_to_a, tolerance, doubts[1]))

    return Comparison(
        verdict=verdict,
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        transformation=found.transformation,
        symmetries=found.symmetries,
        coordinates_a=_coordinates(a, found.coordinates_a),
        coordinates_b=_coordinates(b, found.coordinates_b),
        diagnostics=_diagnostics(found.facts),
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
        chart_a=found.chart_a,
        chart_b=found.chart_b,
    )


def _answers(
    a: Observations,
    b: Observations,
    found: Finding,
    readouts: tuple[Readout | None, Readout | None],
    confidence: float,
    seed: int,
) -> tuple[Answers, ...]:
    r"""What is read off B at the images of A, and off A at those of B; None where nothing is, or there is no map."""
    if readouts == (None, None):
        return (None, None), (None, None)

    return tuple(
        answers_without_pairs(places, apart, error, readout, target.values.dtype, confidence, seed)
        if readout is not None and places
        else (None, None)
        for places, apart, error, readout, target in zip(
            found.places(), found.ambiguity, (found.a_to_b, found.b_to_a), readouts[::-1], (b, a), strict=True
        )
    )


def _draws(obs: Observations) -> int:
    r"""How many independent draws there are, at the most."""
    return len(obs) if obs.groups is None else len(obs.groups.unique())


def _compared(draws: int, left_out: float, confidence: float) -> float:
    r"""At least this share of the inputs is such as were compared, by Clopper and Pearson: (1 - confidence)^(1 / n) for
    n draws of which none was left out."""
    from scipy.special import betaincinv

    return float(betaincinv(draws * (1 - left_out), draws * left_out + 1, 1 - confidence))


def _coordinates(obs: Observations, found: Tensor | None) -> Tensor:
    return obs.values.new_zeros(len(obs), 0) if found is None else found.to(obs.values)


def _diagnostics(facts: Facts) -> dict[str, Any]:
    r"""The facts by name; those of each side alone with its letter, side by side."""
    numbers = _established(facts)
    sides = {letter: _established(numbers.pop(letter)) for letter in ("a", "b")}

    for name in dict.fromkeys(name for side in sides.values() for name in side):
        numbers |= {f"{name}_{letter}": side[name] for letter, side in sides.items() if name in side}

    return numbers


def _established(facts: Facts | SideFacts) -> dict[str, Any]:
    r"""The facts other than their defaults, sequences as lists."""
    found = {field.name: (getattr(facts, field.name), field.default) for field in fields(facts)}

    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, (value, default) in found.items()
        if value != default
    }

r"""A comparison of pairs of which a computation failed: it says so, and nothing else."""

from __future__ import annotations

import math

from equiv.checks import told
from equiv.comparison import Comparison
from equiv.findings.direction import Direction
from equiv.observe.observations import Observations
from equiv.transformation import NoMap, Transformation
from equiv.verdict import Interval, Sentence, decide

__all__ = ["failed"]

UNKNOWN = Interval(math.nan, math.nan, math.nan)


def failed(
    a: Observations, b: Observations, failure: Exception, tolerance: float, confidence: float
) -> Comparison:
    r"""The inconclusive comparison of A and B.

    Arguments:
        a: Observations of A.
        b: Observations of B.
        failure: What the computation said.
        tolerance: As of `equiv.compare`.
        confidence: Likewise.
    """
    reason = f"a computation failed: {told(failure)}"
    verdict, sentence = decide(UNKNOWN, UNKNOWN, tolerance, confidence=confidence, blocking=[reason])
    none = NoMap(Sentence(reason))

    return Comparison(
        verdict=verdict,
        a_to_b=Direction(UNKNOWN),
        b_to_a=Direction(UNKNOWN),
        transformation=Transformation(none, none),
        symmetries=0,
        coordinates_a=a.values.new_zeros(len(a), 0),
        coordinates_b=b.values.new_zeros(len(b), 0),
        diagnostics={"paired": True, "method": "regression on pairs", "samples": len(a)},
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
    )

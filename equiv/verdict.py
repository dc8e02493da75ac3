r"""From two errors with their bounds to a verdict and the sentence that explains it."""

import enum
import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Interval", "Verdict", "decide", "determines"]


class Verdict(enum.StrEnum):
    r"""What was found out about two networks; compares equal to its text."""

    EQUIVALENT = "equivalent"
    A_DETERMINES_B = "a_determines_b"
    B_DETERMINES_A = "b_determines_a"
    NOT_EQUIVALENT = "not_equivalent"
    INCONCLUSIVE = "inconclusive"

    @property
    def mirrored(self) -> "Verdict":
        r"""The verdict with the names A and B exchanged."""
        exchanged = {
            Verdict.A_DETERMINES_B: Verdict.B_DETERMINES_A,
            Verdict.B_DETERMINES_A: Verdict.A_DETERMINES_B,
        }

        return exchanged.get(self, self)


class Interval(NamedTuple):
    r"""An error with its confidence bounds, as a share of the target's RMS spread.

    Attributes:
        estimate: The error, in `[0, inf)`; NaN where none could be computed.
        low: Lower bound, at most `estimate`.
        high: Upper bound, at least `estimate`; infinite where nothing bounds the error.
    """

    estimate: float
    low: float
    high: float


def determines(error: Interval, tolerance: float, doubts: Sequence[str] = ()) -> bool | None:
    r"""Decides one direction: does the source determine the target?

    Arguments:
        error: Error of the returned transformation on fresh inputs, with its bounds.
        tolerance: Largest error that still counts as determined, above 0.
        doubts: Reasons why a large error may be one of the method and not of the networks
            (an error that still falls with the number of samples). They withhold a no,
            never a yes.

    Returns:
        True if `error.high < tolerance`; False if `error.low > tolerance` and there are no
        doubts; None (undecided) otherwise, and whenever a number is NaN. A larger error
        never turns a None or a False into a True.
    """
    if any(math.isnan(x) for x in (*error, tolerance)):
        return None

    if error.high < tolerance:
        return True

    return False if error.low > tolerance and not doubts else None


def decide(
    a_to_b: Interval,
    b_to_a: Interval,
    tolerance: float = 0.05,
    *,
    confidence: float = 0.95,
    blocking: Sequence[str] = (),
    doubts_a_to_b: Sequence[str] = (),
    doubts_b_to_a: Sequence[str] = (),
) -> tuple[Verdict, str]:
    r"""Turns the errors of both directions into a verdict and one plain sentence.

    | A -> B \ B -> A | yes              | no               | undecided    |
    |-----------------|------------------|------------------|--------------|
    | yes             | equivalent       | a_determines_b   | inconclusive |
    | no              | b_determines_a   | not_equivalent   | inconclusive |
    | undecided       | inconclusive     | inconclusive     | inconclusive |

    Arguments:
        a_to_b: Error of the transformation from A to B, with bounds.
        b_to_a: The same from B to A.
        tolerance: Largest error that still counts as determined, above 0.
        confidence: Level of the bounds, for the sentence only.
        blocking: Reasons why nothing can be concluded (NaN, a disconnected graph, an
            unconverged solve). Any of them makes the verdict inconclusive.
        doubts_a_to_b: Reasons that withhold a no from A to B, see `determines`.
        doubts_b_to_a: The same from B to A.

    Returns:
        The verdict, and a sentence that names it, the errors behind it and, if it is
        inconclusive, the reasons. Exchanging A and B mirrors the verdict.
    """
    forward = determines(a_to_b, tolerance, doubts_a_to_b)
    backward = determines(b_to_a, tolerance, doubts_b_to_a)
    errors = (
        f"error from A to B {_described(a_to_b)}, from B to A {_described(b_to_a)} of the target's spread, "
        f"bounds at {100 * confidence:g} %, tolerance {_percent(tolerance)}"
    )

    if blocking or forward is None or backward is None:
        reasons = list(blocking)

        for name, found, error, doubts in (
            ("A to B", forward, a_to_b, doubts_a_to_b),
            ("B to A", backward, b_to_a, doubts_b_to_a),
        ):
            # What forbids a conclusion is why the error is unknown, too.
            if found is None and not (blocking and math.isnan(error.estimate)):
                reasons.append(f"from {name}, {_hesitation(error, tolerance, doubts)}")

        return Verdict.INCONCLUSIVE, f"Inconclusive: {'; '.join(reasons)} ({errors})."

    verdict, finding = {
        (True, True): (Verdict.EQUIVALENT, "The two are equivalent: each determines the other"),
        (True, False): (Verdict.A_DETERMINES_B, "A determines B, but B does not determine A"),
        (False, True): (Verdict.B_DETERMINES_A, "B determines A, but A does not determine B"),
        (False, False): (Verdict.NOT_EQUIVALENT, "The two are not equivalent: neither determines the other"),
    }[forward, backward]

    return verdict, f"{finding} ({errors})."


def _hesitation(error: Interval, tolerance: float, doubts: Sequence[str]) -> str:
    if any(math.isnan(x) for x in error):
        return "no error could be computed"

    if error.low > tolerance:
        return ", and ".join(doubts)

    return "the bounds of the error enclose the tolerance"


def _described(error: Interval) -> str:
    if math.isnan(error.estimate):
        return "unknown"

    return f"{_percent(error.estimate)} ({_percent(error.low)} to {_percent(error.high)})"


def _percent(x: float) -> str:
    return f"{100 * x:.2g} %" if x < 1 else f"{100 * x:.0f} %"

r"""The decision rule: truth table, monotonicity, mirror symmetry, NaN."""

import itertools
import math

import pytest

from equiv.verdict import Interval, Verdict, decide, determines

YES, NO, OPEN = Interval(0.01, 0.008, 0.012), Interval(0.3, 0.2, 0.4), Interval(0.05, 0.04, 0.06)
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@pytest.mark.parametrize(
    ("a_to_b", "b_to_a", "expected"),
    [
        (YES, YES, "equivalent"),
        (YES, NO, "a_determines_b"),
        (NO, YES, "b_determines_a"),
        (NO, NO, "not_equivalent"),
        *[(*pair, "inconclusive") for pair in itertools.product((YES, NO, OPEN), (OPEN, UNKNOWN))],
        *[(*pair, "inconclusive") for pair in itertools.product((OPEN, UNKNOWN), (YES, NO))],
    ],
)
def test_truth_table(a_to_b: Interval, b_to_a: Interval, expected: str) -> None:
    verdict, sentence = decide(a_to_b, b_to_a)

    assert verdict == expected
    assert sentence.endswith(").") and "\n" not in sentence
    assert decide(b_to_a, a_to_b)[0] == verdict.mirrored


def test_every_blocking_reason_is_said_and_blocks() -> None:
    verdict, sentence = decide(YES, YES, blocking=["the graph is disconnected", "the solve did not converge"])

    assert verdict is Verdict.INCONCLUSIVE
    assert "the graph is disconnected" in sentence and "the solve did not converge" in sentence


def test_doubts_withhold_a_no_but_never_a_yes() -> None:
    doubts = ["more samples may lower the error"]

    assert decide(YES, NO, doubts_b_to_a=doubts)[0] is Verdict.INCONCLUSIVE
    assert doubts[0] in decide(YES, NO, doubts_b_to_a=doubts)[1]
    assert decide(YES, YES, doubts_a_to_b=doubts, doubts_b_to_a=doubts)[0] is Verdict.EQUIVALENT


def test_monotone_in_the_error() -> None:
    rank = {True: 0, None: 1, False: 2}
    scales = [10.0 ** (k / 4 - 4) for k in range(20)]
    found = [rank[determines(Interval(s, 0.8 * s, 1.2 * s), 0.05)] for s in scales]

    assert found == sorted(found) and set(found) == {0, 1, 2}


@pytest.mark.parametrize("position", range(3))
def test_nan_anywhere_is_undecided(position: int) -> None:
    values = [0.01, 0.01, 0.01]
    values[position] = math.nan

    assert determines(Interval(*values), 0.05) is None
    assert decide(Interval(*values), YES)[0] is Verdict.INCONCLUSIVE

r"""Verdicts that are theorems are reached: always to be in doubt would be no answer."""

import math

import pytest
from comparisons import DECIDED, UNDECIDED, comparison


@pytest.mark.parametrize("name", DECIDED)
def test_what_can_be_decided_is_decided_and_right(name: str) -> None:
    result = comparison(name)

    assert result.verdict == DECIDED[name][0], result.sentence
    for source, target, direction in (("a", "b", result.a_to_b), ("b", "a", result.b_to_a)):
        determined = result.verdict in ("equivalent", f"{source}_determines_{target}")
        # One bound or the other is on its side of the tolerance.
        assert (
            (direction.error.high < result.tolerance)
            if determined
            else (direction.error.low > result.tolerance)
        )


@pytest.mark.parametrize("name", [name for name in UNDECIDED if name != "unregistered"])
def test_what_cannot_be_known_is_left_open(name: str) -> None:
    result = comparison(name)

    assert result.verdict == "inconclusive"
    assert "Inconclusive: " in result.sentence
    assert not math.isfinite(result.a_to_b.error.estimate) or result.a_to_b.error.high > result.tolerance

r"""From two errors with their bounds to a verdict and the sentence that explains it."""

import enum
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = [
    "NAME_A",
    "NAME_B",
    "Interval",
    "Sentence",
    "Verdict",
    "ambiguity_in_words",
    "decide",
    "determines",
    "error_in_words",
    "exchanged",
    "guessed_template",
    "parted",
    "percent",
    "share_in_words",
    "templates",
]

# The two networks in text that is being put together, until it is a `Sentence`. Unicode sets these two aside for use
# inside of programs, so that no name of a layer or a neuron holds them.
NAME_A = "\ufdd0"
NAME_B = "\ufdd1"


# Errors are told from this percentage on, and as below it.
# [percent; chosen: a thousandth of any tolerance that is used, and far above rounding]
SMALLEST_PERCENT = 0.001


class Sentence(str):
    r"""Text that names the two networks, and can be told with their names exchanged.

    It is a str of what is read. Sums of it keep the names; of f-strings and other formatting only what is read is left.

    Arguments:
        template: The text with `NAME_A` and `NAME_B` of this file where it names the networks. Any other A or B in it
            is no name, and stays.
    """

    template: str

    def __new__(cls, template: str) -> "Sentence":
        sentence = super().__new__(cls, template.replace(NAME_A, "A").replace(NAME_B, "B"))
        sentence.template = template

        return sentence

    def __getnewargs__(self) -> tuple[str]:
        return (self.template,)

    def __add__(self, more: str) -> "Sentence":
        return Sentence(self.template + (more.template if isinstance(more, Sentence) else more))

    @property
    def mirrored(self) -> "Sentence":
        r"""The sentence with the names A and B exchanged."""
        return Sentence(self.template.translate(str.maketrans(NAME_A + NAME_B, NAME_B + NAME_A)))


def exchanged(value: Any) -> Any:
    r"""Sentences in nested dictionaries and lists mirrored, and entries by names with a part `a` or `b` exchanged."""
    if isinstance(value, dict):
        letters = {"a": "b", "b": "a"}
        partners = {name: "_".join(letters.get(word, word) for word in name.split("_")) for name in value}

        # Where both names are there they keep their places and exchange their entries.
        return {
            name if partner in value else partner: exchanged(value.get(partner, entry))
            for (name, entry), partner in zip(value.items(), partners.values(), strict=True)
        }

    if isinstance(value, list):
        return [exchanged(entry) for entry in value]

    return value.mirrored if isinstance(value, Sentence) else value


def templates(value: Any, template_of: Callable[[str], str | None]) -> dict[str, str]:
    r"""Templates by what is read, of all text in nested dictionaries and lists that has one."""
    if isinstance(value, str):
        template = template_of(value)

        return {} if template is None else {str(value): template}

    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()

    return {text: found for entry in entries for text, found in templates(entry, template_of).items()}


def guessed_template(text: str) -> str | None:
    r"""The template of text that was stored without: every word A or B is taken for the name of a network."""
    template = re.sub(r"\bA\b", NAME_A, re.sub(r"\bB\b", NAME_B, text))

    return None if template == text else template


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

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, spec: str) -> str:
        r"""In percent: "1.2 % (0.3 to 3)"; `spec` is that of each of the three numbers."""
        if math.isnan(self.estimate):
            return "unknown"

        estimate, low, high = (percent(bound, spec) for bound in self)

        alone = low == estimate == high or (100 * self.high < SMALLEST_PERCENT and not spec)

        return f"{estimate} %" if alone else f"{estimate} % ({low} to {high})"


def percent(share: float, spec: str = "") -> str:
    r"""A share in percent, without the sign: two digits, and no smaller number than a reader has use for."""
    value = 100 * share

    if spec:
        return format(value, spec)

    if math.isnan(value):
        return "unknown"

    if math.isinf(value):
        return "∞"

    # What `.2g` would round to a hundred it writes with an exponent.
    if not value < 99.5:
        return f"{value:.0f}"

    return f"below {SMALLEST_PERCENT}" if 0 < value < SMALLEST_PERCENT else f"{value:.2g}"


def determines(error: Interval, tolerance: float, doubts: Sequence[str] = ()) -> bool | None:
    r"""Decides one direction: does the source determine the target?

    Arguments:
        error: Error of the returned transformation on fresh inputs, with its bounds.
        tolerance: Largest error that still counts as determined, above 0.
        doubts: Reasons why a large error may be one of the method and not of the networks
            (one that more samples may lower). They withhold a no,
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
) -> tuple[Verdict, Sentence]:
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
            unconverged solve), which name the networks by `NAME_A` and `NAME_B`. Any of them makes the verdict
            inconclusive.
        doubts_a_to_b: Reasons that withhold a no from A to B, see `determines`.
        doubts_b_to_a: The same from B to A.

    Returns:
        The verdict, and a sentence that names it, the errors behind it and, if it is
        inconclusive, the reasons. Exchanging A and B mirrors both.
    """
    forward = determines(a_to_b, tolerance, doubts_a_to_b)
    backward = determines(b_to_a, tolerance, doubts_b_to_a)
    errors = (
        f"error from {NAME_A} to {NAME_B} {a_to_b}, from {NAME_B} to {NAME_A} {b_to_a} of "
        f"the target's spread, bounds at {100 * confidence:g} %, tolerance {percent(tolerance, 'g')} %"
    )

    if blocking or forward is None or backward is None:
        reasons = list(blocking)

        for name, found, error, doubts in (
            (f"{NAME_A} to {NAME_B}", forward, a_to_b, doubts_a_to_b),
            (f"{NAME_B} to {NAME_A}", backward, b_to_a, doubts_b_to_a),
        ):
            # What forbids a conclusion is why the error is unknown, too.
            if found is None and not (blocking and math.isnan(error.estimate)):
                reasons.append(f"from {name}, {_hesitation(error, tolerance, doubts)}")

        return Verdict.INCONCLUSIVE, Sentence(f"Inconclusive: {'; '.join(reasons)} ({errors}).")

    verdict, finding = {
        (True, True): (Verdict.EQUIVALENT, "The two are equivalent: each determines the other"),
        (True, False): (
            Verdict.A_DETERMINES_B,
            f"{NAME_A} determines {NAME_B}, but {NAME_B} does not determine {NAME_A}",
        ),
        (False, True): (
            Verdict.B_DETERMINES_A,
            f"{NAME_B} determines {NAME_A}, but {NAME_A} does not determine {NAME_B}",
        ),
        (False, False): (Verdict.NOT_EQUIVALENT, "The two are not equivalent: neither determines the other"),
    }[forward, backward]

    return verdict, Sentence(f"{finding} ({errors}).")


def parted(sentence: str) -> tuple[str, str]:
    r"""What a sentence of `decide` finds, and what was added to it, without the errors between them."""
    found = re.fullmatch(r"(.*?) \(error from .*?\)\.(.*)", sentence, re.DOTALL)

    return (f"{found[1]}.", found[2].strip()) if found else (sentence, "")


def _hesitation(error: Interval, tolerance: float, doubts: Sequence[str]) -> str:
    if any(math.isnan(x) for x in error):
        return "no error could be computed"

    if error.low > tolerance:
        return ", and ".join(doubts)

    return "the bounds of the error enclose the tolerance"


def error_in_words(error: Interval, target: str) -> str:
    r"""An error with its bounds, of a target that is named, for rows of a summary."""
    return "unknown" if math.isnan(error.estimate) else f"{error} of {target}'s spread"


def ambiguity_in_words(ambiguity: float, target: str) -> str:
    r"""How far equally good maps are apart, where there are several."""
    if math.isnan(ambiguity):
        return "unknown"

    return f"{percent(ambiguity)} % of {target}'s spread, from this map to the farthest equally good one"


def share_in_words(share: float, confidence: float) -> str:
    r"""On what share of the inputs bounds hold, rounded down to two digits of what is left out."""
    digits = max(0, 1 - math.floor(math.log10(1 - share)) - 2) if share < 1 else 0
    least = math.floor(100 * share * 10**digits) / 10**digits

    return f"at least {least:.12g} % of the inputs, with {100 * confidence:g} % confidence"

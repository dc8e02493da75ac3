r"""What a comparison says in words: in a line, as a summary, every number with its unit, and as a card."""

from __future__ import annotations

import html
import math
from typing import Any

from equiv.checks import without_controls
from equiv.findings.direction import Direction, further_rows, shared_rows
from equiv.findings.evidence import evidence_rows
from equiv.findings.reasons import GIVEN, Finding, counted, held_out, next_steps, why_not
from equiv.transformation import Map, NoMap
from equiv.verdict import Interval, Verdict, ambiguity_in_words, error_in_words, percent, share_in_words

__all__ = ["answer", "card", "details", "line", "summary"]

HEADLINES = {
    Verdict.EQUIVALENT: "each network determines the other",
    Verdict.A_DETERMINES_B: "A determines B, but B does not determine A",
    Verdict.B_DETERMINES_A: "B determines A, but A does not determine B",
    Verdict.NOT_EQUIVALENT: "neither network determines the other",
    Verdict.INCONCLUSIVE: "these samples do not decide it",
}

# Flat spaces by how many dimensions they have, and how many of these are closed,
# [dimensions; derived: all that have at most two, but for the open Moebius band and the Klein bottle]
FLAT_SPACES = {
    (1, 0): "a curve with two ends",
    (1, 1): "a closed curve",
    (2, 0): "a flat patch",
    (2, 1): "a cylinder",
    (2, 2): "a torus",
}

# and what others are called.
# [dimensions; derived: what spaces of one and of two are called]
CURVED_SPACES = {1: "a curve", 2: "a surface"}


def line(found: Finding) -> str:
    r"""Verdict and errors, for `repr`."""
    return (
        f"Comparison({found.verdict}: A to B {found.a_to_b.error}, B to A {found.b_to_a.error}, "
        f"tolerance {percent(found.tolerance, 'g')} %)"
    )


def summary(found: Finding) -> str:
    r"""The answer: verdict, errors, what is shared, the space, how many maps fit, what to do next, one sentence."""
    return _text(found, answer(found))


def details(found: Finding) -> str:
    r"""The answer with all that it rests on, every number with its unit."""
    return _text(found, [*answer(found), *_evidence(found)])


def card(found: Finding) -> str:
    r"""The answer as HTML, for notebooks; it needs nothing from outside."""
    rows = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
        for name, value in answer(found)
    )

    return (
        '<div style="border:1px solid #8888;border-radius:6px;padding:.5em 1em;display:inline-block">'
        f"<b>{html.escape(_headline(found))}</b><table>{rows}</table>"
        f'<p style="max-width:70ch">{html.escape(found.sentence)}</p></div>'
    )


def _headline(found: Finding) -> str:
    return f"Verdict: {found.verdict} ({HEADLINES[found.verdict]})"


def _text(found: Finding, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {value}" for name, value in rows]

    return "\n".join(map(without_controls, [_headline(found), *lines, "", found.sentence]))


def _directions(found: Finding) -> tuple[tuple[str, Direction, str], ...]:
    r"""Name, direction and target of both."""
    return ("A to B", found.a_to_b, "B"), ("B to A", found.b_to_a, "A")


def answer(found: Finding) -> list[tuple[str, str]]:
    r"""Names and values of the rows of a summary."""
    directions = _directions(found)
    maps = found.transformation.there, found.transformation.back

    return [
        *(
            (
                f"error {name}",
                f"{error_in_words(each.error, target)}: {_held_against(each.error, found.tolerance, map_)}",
            )
            for (name, each, target), map_ in zip(directions, maps, strict=True)
        ),
        *why_not(found),
        ("bounds hold on", share_in_words(min(each.share for _, each, _ in directions), found.confidence)),
        *_left_out(found.diagnostics),
        *(
            row
            for name, each, target in directions
            for row in shared_rows(each, name, target, found.tolerance)
        ),
        ("input space", _space(found)),
        *held_out(found),
        ("maps that fit", _maps(found)),
        *(("what would help", step) for step in next_steps(found)),
    ]


def _left_out(known: dict[str, Any]) -> list[tuple[str, str]]:
    r"""The row on inputs of which nothing is said; none where there are none."""
    left = [
        f"{percent(share)} % of {letter.upper()}'s inputs"
        for letter in "ab"
        if (share := known.get(f"left_out_{letter}"))
    ]

    return [("left out", f"{' and '.join(left)}, which their network does not tell apart")] if left else []


def _held_against(error: Interval, tolerance: float, map_: Map) -> str:
    said = f"the tolerance of {percent(tolerance, 'g')} %"

    if math.isnan(error.estimate):
        return "none could be computed"

    if isinstance(map_, NoMap):
        return "no map goes this way"

    if error.high < tolerance:
        return f"below {said}"

    return f"above {said}" if error.low > tolerance else f"the bounds enclose {said}"


def _space(found: Finding) -> str:
    r"""The input space, as both sides see it."""
    known = found.diagnostics
    a, b = (known.get(f"intrinsic_dimension_{letter}") for letter in "ab")

    if known.get("paired"):
        given = known.get("groups", "").endswith(GIVEN)
        groups = f" in {known['groups']}" if given else ""
        samples = f"{known['samples']} common inputs{groups}; "

        if a is None or b is None:
            return f"{samples}{known['frames']}"

        seen = (
            f"{counted(a, 'direction')} seen by both"
            if a == b
            else f"A sees {counted(a, 'direction')}, B {b}"
        )

        return samples + seen

    one, other = (_space_of(known, letter) for letter in "ab")
    isometric = found.symmetries > 0 and known.get("relation") in (None, "isometric")
    alike = isometric and found.verdict is not Verdict.INCONCLUSIVE

    if one == other:
        return f"{one}, seen alike by both" if alike else f"{one} each{_because(known)}"

    return f"of A {one}, of B {other}{_because(known)}"


def _space_of(known: dict[str, Any], letter: str) -> str:
    r"""The space that one side's frames show."""
    dimension = known.get(f"intrinsic_dimension_{letter}")

    if dimension is None:
        return "a space of unknown dimension"

    closed = len(known.get(f"periods_{letter}") or ())
    many = counted(dimension, "dimension")

    if not known.get(f"embedding_{letter}"):
        return f"a space of {many}"

    # What has no relation of charts is curved, or was not asked for any.
    if "relation" not in known:
        return CURVED_SPACES.get(dimension, f"a space of {many}")

    return FLAT_SPACES.get(
        (dimension, closed), f"a space of {many}" + (f", {closed} of them closed" if closed else "")
    )


def _because(known: dict[str, Any]) -> str:
    return f": {known['relation_reason']}" if known.get("relation_reason") else ""


def _maps(found: Finding) -> str:
    r"""How many maps fit equally well."""
    if found.symmetries == 0:
        return "none"

    if found.symmetries == 1:
        return "one each way, learned from the pairs" if found.diagnostics.get("paired") else "one"

    many = "infinitely many" if math.isinf(found.symmetries) else f"{found.symmetries:g}"
    apart = [each.ambiguity for _, each, _ in _directions(found)]

    return f"{many}, up to {percent(max(apart))} % of the spread apart; this is one of them"


def _evidence(found: Finding) -> list[tuple[str, str]]:
    r"""Names and values of the rows that a summary leaves out."""
    symmetries = "infinitely many" if math.isinf(found.symmetries) else f"{found.symmetries:g}"

    return [
        *(
            (f"ambiguity {name}", ambiguity_in_words(each.ambiguity, target))
            for name, each, target in _directions(found)
            if each.ambiguity != 0
        ),
        *(row for name, each, target in _directions(found) for row in further_rows(each, name, target)),
        ("symmetries", f"{symmetries} maps"),
        *evidence_rows(found.diagnostics),
    ]

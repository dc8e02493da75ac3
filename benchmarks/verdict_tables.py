r"""Tables of what `verdicts.py` measured: how many verdicts are right, whether the bounds hold, and peers beside."""

from __future__ import annotations

import collections
import math
import statistics
from typing import Any

__all__ = ["TOLERANCE", "line", "outcome", "tables"]

TOLERANCE = 0.05
Record = dict[str, Any]
SIDES = {
    ("yes", "yes"): "equivalent",
    ("yes", "no"): "a_determines_b",
    ("no", "yes"): "b_determines_a",
    ("no", "no"): "not_equivalent",
}


def outcome(record: Record) -> str:
    r"""right, inconclusive, wrong, FALSE EQUIVALENT; "apart" first where a true error is near the tolerance."""
    return _unpaired_outcome(record) if record["kind"] == "unpaired" else _paired_outcome(record)


def _paired_outcome(record: Record) -> str:
    truths, verdict = tuple(record["truths"]), record["verdict"]

    if verdict == "equivalent" and ("no" in truths or max(record["errors"]) > TOLERANCE * 1.5):
        return "FALSE EQUIVALENT"

    if "apart" in truths:
        return f"apart: {verdict}"

    # A map that exists but was not learned: only "inconclusive" is not wrong.
    if verdict == SIDES.get(truths, "inconclusive"):
        return "hard: inconclusive" if "hard" in truths else "right"

    return "inconclusive" if verdict == "inconclusive" else "wrong"


def _unpaired_outcome(record: Record) -> str:
    verdict, relation = record["verdict"], record["relation"]
    known = [error for error in record["errors"] if error is not None]

    if verdict == "equivalent" and (relation != "equivalent" or max(known) > TOLERANCE * 1.5):
        return "FALSE EQUIVALENT"

    if known and TOLERANCE / 1.5 <= max(known) <= TOLERANCE * 1.5:
        return f"apart: {verdict}"

    if verdict == "inconclusive":
        return "inconclusive"

    missed = bool(known) and max(known) > TOLERANCE

    return "right" if relation in ("not", verdict) and not missed else "wrong"


def line(record: Record) -> str:
    both = []

    for (estimate, low, high), error in zip(record["bounds"], record["errors"], strict=True):
        truth = "unknown" if error is None else f"{100 * error:.3g}"
        both.append(
            f"no bounds, true {truth}"
            if estimate is None
            else f"{100 * estimate:.3g} % ({100 * low:.3g} to {100 * high:.3g}) true {truth}"
        )

    truth = record.get("relation") or record["truths"]
    why = f" | {record['sentence']}" if record["kind"] == "unpaired" and outcome(record) != "right" else ""

    return (
        f"{record['kind']} n={record['samples']} {record['family']} {record['seed']} {record['shape']}: "
        f"{outcome(record)}, {record['verdict']}, truth {truth} | {' | '.join(both)} | "
        f"{record['seconds']:.1f} s{why}"
    )


def _bounded(records: list[Record]) -> list[tuple[list[float], float]]:
    r"""Bounds and true errors of all directions that have both."""
    return [
        (bounds, error)
        for record in records
        for bounds, error in zip(record["bounds"], record["errors"], strict=True)
        if error is not None and bounds[0] is not None
    ]


def _area(positive: list[float], negative: list[float]) -> float:
    r"""Area under the ROC curve: the probability that a positive scores higher than a negative."""
    if not positive or not negative:
        return math.nan

    wins = sum((p > q) + 0.5 * (p == q) for p in positive for q in negative)

    return wins / (len(positive) * len(negative))


def _areas(records: list[Record]) -> dict[str, float]:
    r"""Equivalent pairs against others, those near the tolerance left out, by our score and by the peers'."""
    clear = [r for r in records if "apart" not in r["truths"]]
    groups = [
        [r for r in clear if "no" not in r["truths"]],
        [r for r in clear if "no" in r["truths"]],
    ]
    scores = {"ours": lambda r: -max(bounds[0] for bounds in r["bounds"])}
    scores |= {name: lambda r, name=name: r["peers"][name] for name in records[0]["peers"]}

    return {name: _area(*[[score(r) for r in group] for group in groups]) for name, score in scores.items()}


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def tables(records: list[Record]) -> tuple[str, list[Record]]:
    r"""Markdown, and the same figures for JSON."""
    lines = [
        "# Verdicts on pairs with known relation",
        "",
        'Marks: 98 % right at n = 1500 and 90 % at n = 300 (the rest inconclusive), no false "equivalent", at most '
        "2 % inconclusive at n = 1500; paired bounds cover 93 % with a median width of at most the error, unpaired "
        "90 % with at most three times the error. Pairs whose true error is within a factor 1.5 of the tolerance "
        "(5 %) are counted apart. The marks ask for 500 pairs a row; `pairs` says how many have been run.",
        "",
        '| kind | n | pairs | apart | right | inconclusive | wrong | false "equivalent" of not equivalent '
        "| bounds hold | width over error | CPU seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    figures = []

    for kind, samples in sorted({(r["kind"], r["samples"]) for r in records}):
        chosen = [r for r in records if (r["kind"], r["samples"]) == (kind, samples)]
        count = collections.Counter(map(outcome, chosen))
        near = sum(number for name, number in count.items() if name.startswith("apart"))
        clear = len(chosen) - near
        hesitant = count["inconclusive"] + count["hard: inconclusive"]
        others = sum(
            r["relation"] != "equivalent" if kind == "unpaired" else "no" in r["truths"] for r in chosen
        )
        known = _bounded(chosen)
        held = sum(low <= error <= high for (_, low, high), error in known)
        widths = [(high - low) / max(error, 1e-300) for (_, low, high), error in known]
        width = statistics.median(widths) if widths else None
        seconds = statistics.median(r["seconds"] for r in chosen)
        families = {
            family: dict(collections.Counter(outcome(r) for r in chosen if r["family"] == family))
            for family in dict.fromkeys(r["family"] for r in chosen)
        }
        figure = {
            "kind": kind,
            "samples": samples,
            "pairs": len(chosen),
            "outcomes": dict(count),
            "not_equivalent": others,
            "bounds": len(known),
            "bounds_that_hold": held,
            "above": sum(error > high for (_, _, high), error in known),
            "below": sum(error < low for (_, low, _), error in known),
            "median_width_over_error": width,
            "median_cpu_seconds": seconds,
            "families": families,
        }
        lines.append(
            f"| {kind} | {samples} | {len(chosen)} | {near} | {_percent(count['right'], clear)} "
            f"| {_percent(hesitant, clear)} | {count['wrong']} | {count['FALSE EQUIVALENT']} of {others} "
            f"| {_percent(held, len(known))} of {len(known)} | {_number(width)} | {seconds:.1f} |"
        )

        if kind != "unpaired":
            figure["areas"] = _areas(chosen)

        figures.append(figure)

    lines += ["", "Area under the ROC curve, equivalent against not (peers on the first 500 samples):", ""]
    areas = [f for f in figures if "areas" in f]

    if areas:
        names = list(areas[0]["areas"])
        lines += [f"| kind | n | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
        lines += [
            f"| {f['kind']} | {f['samples']} | " + " | ".join(f"{f['areas'][k]:.3f}" for k in names) + " |"
            for f in areas
        ]

    lines += ["", "By family:", ""]

    for f in figures:
        lines += [f"{f['kind']}, n = {f['samples']}:", ""]
        lines += [
            f"* {family}: " + ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
            for family, counts in f["families"].items()
        ]
        lines.append("")

    return "\n".join(lines).rstrip(), figures

r"""What a verdict on an adversary's pair is worth: false claims, noes without proof, decisions owed, coverage."""

from __future__ import annotations

import statistics
from typing import Any

__all__ = ["FAULTS", "TOLERANCE", "faults", "line", "table"]

TOLERANCE = 0.05
Record = dict[str, Any]
DIRECTIONS = (0, 1)
# Which directions a verdict calls determined.
DETERMINED = {
    "equivalent": (True, True),
    "a_determines_b": (True, False),
    "b_determines_a": (False, True),
    "not_equivalent": (False, False),
}
FAULTS = ("false equivalent", "false direction", "wrong no", "failed")


def _excused(record: Record, k: int) -> bool:
    r"""Whether a claim leaves out at least as many inputs as are of the rare kind."""
    return record["rarity"] > 0 and record["shares"][k] <= 1 - record["rarity"]


def _kept(record: Record, k: int) -> bool:
    r"""Whether a claim that the direction is determined would be true of the inputs that it speaks of."""
    excused = _excused(record, k)
    error = record["errors_common" if excused else "errors"][k]
    denied = record["truths"][k][0] == "void" or (record["truths"][k][0] == "no" and not excused)

    return not denied and (error is None or error <= TOLERANCE)


def _claimed(record: Record, k: int) -> bool:
    return record["bounds"][k] is not None and record["bounds"][k][2] < TOLERANCE


def _denied(record: Record, k: int) -> bool:
    return record["verdict"] in DETERMINED and not DETERMINED[record["verdict"]][k]


def faults(record: Record) -> dict[str, int]:
    r"""How often each of `FAULTS` is committed: once a pair, or once a direction."""
    return {
        "false equivalent": int(
            record["verdict"] == "equivalent" and not all(_kept(record, k) for k in DIRECTIONS)
        ),
        "false direction": sum(_claimed(record, k) and not _kept(record, k) for k in DIRECTIONS),
        "wrong no": sum(_denied(record, k) and record["truths"][k][0] in ("yes", "void") for k in DIRECTIONS),
        "failed": int(record["verdict"] == "failed"),
    }


def _decidable(record: Record) -> bool:
    return all(owed for _, owed, _ in record["truths"])


def _decided(record: Record) -> bool:
    found = DETERMINED.get(record["verdict"])

    return found is not None and all(found[k] == (record["truths"][k][0] == "yes") for k in DIRECTIONS)


def _covered(record: Record) -> list[bool]:
    r"""Of the directions with an error: whether the interval holds it. Claims that leave out rare inputs are apart."""
    return [
        record["bounds"][k][1] <= record["errors"][k] <= record["bounds"][k][2]
        for k in DIRECTIONS
        if record["truths"][k][0] != "void"
        and record["bounds"][k] is not None
        and record["errors"][k] is not None
        and not _excused(record, k)
    ]


def _percent(x: float | None) -> str:
    return "unknown" if x is None else f"{100 * x:.3g} %"


def line(record: Record) -> str:
    both = []

    for (answer, owed, _), bounds, error in zip(
        record["truths"], record["bounds"], record["errors"], strict=True
    ):
        said = (
            "no bounds"
            if bounds is None
            else f"{_percent(bounds[0])} ({_percent(bounds[1])} to {_percent(bounds[2])})"
        )
        both.append(f"{answer}{', owed' if owed else ''}: {said}, true {_percent(error)}")

    committed = [name for name, count in faults(record).items() if count]
    groups = " with groups" if record["groups"] else ""

    return (
        f"{record['family']} {record['seed']}{groups} {record['shape']}: {record['verdict']}"
        f"{', ' + ', '.join(committed).upper() if committed else ''} | {' | '.join(both)} | "
        f"{record['seconds']:.1f} s"
    )


def _row(name: str, records: list[Record]) -> str:
    counts = [str(sum(faults(record)[fault] for record in records) or "") for fault in FAULTS]
    owed = [record for record in records if _decidable(record)]
    covered = [held for record in records for held in _covered(record)]
    decided = f"{sum(map(_decided, owed))} of {len(owed)}" if owed else ""
    held = f"{sum(covered)} of {len(covered)}" if covered else ""
    seconds = statistics.median(record["seconds"] for record in records)

    return f"| {name} | {len(records)} | {' | '.join(counts)} | {decided} | {held} | {seconds:.1f} |"


def table(records: list[Record]) -> str:
    r"""Markdown: a row a family, paired with and without groups apart, and totals."""
    lines = [
        "# What an adversary draws",
        "",
        "A claim is false where no map is within the tolerance (5 %), or the returned one is not on fresh inputs. "
        '"Wrong no": a map exists. "Decided": of the pairs both of whose directions can be decided at their number of '
        'samples. "Covered": of the directions whose true error is known. Pairs with groups appear twice: with their '
        "groups told, and not.",
        "",
    ]

    for title, kind, groups in (
        ("Paired", "paired", False),
        ("Paired, groups told", "paired", True),
        ("Unpaired", "unpaired", False),
    ):
        chosen = [r for r in records if r["kind"] == kind and r["groups"] == groups]

        if not chosen:
            continue

        lines += [
            f"## {title}",
            "",
            f"| family | pairs | {' | '.join(FAULTS)} | decided | covered | CPU seconds |",
            "|---" * (5 + len(FAULTS)) + "|",
        ]
        lines += [
            _row(family, [r for r in chosen if r["family"] == family])
            for family in dict.fromkeys(r["family"] for r in chosen)
        ]
        lines += [_row("**all**", chosen), ""]

    return "\n".join(lines)

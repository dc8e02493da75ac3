r"""Verdicts on pairs that an adversary drew: independence broken, atoms, aliases, stretches, wrong anchors.

    python benchmarks/adversary.py run --paired --pairs 5 --seconds 450
    python benchmarks/adversary.py run --unpaired --first 100 --pairs 5 --seconds 450
    python benchmarks/adversary.py report        # benchmarks/results/adversary.md

The families are in `adversary_paired.py` and `adversary_unpaired.py`. `run` takes up where the results on disk end.
Seeds from 1000 on are kept for acceptance: look at no single pair of theirs while changing the code.
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from adversary_paired import PAIRED, draw_paired, own_seed
from adversary_tables import TOLERANCE, faults, line, table
from adversary_truth import Truth, missed
from adversary_unpaired import UNPAIRED, draw_unpaired
from families import Network, observe
from torch import Tensor

import equiv
from equiv.comparison import Comparison

RESULTS = Path(__file__).parent / "results"
# Fresh inputs: many, but for wide layers.
FRESH, FRESH_WIDE, WIDE = 20_000, 3000, 200
TAKES_GROUPS = "groups" in inspect.signature(equiv.compare).parameters


def observations(network: Network, inputs: Tensor, frames: bool) -> equiv.Observations:
    return equiv.Observations(*observe(network, inputs)) if frames else equiv.Observations(network(inputs))


def fresh_errors(found: Network, source: Tensor, target: Tensor, rare: Tensor | None) -> list[float | None]:
    r"""Error on all fresh inputs and on those of no rare kind; None where there is no map, or nothing to measure."""
    try:
        image = found(source)
    except ValueError:
        return [None, None]

    kept = torch.ones(len(source), dtype=torch.bool) if rare is None else ~rare
    errors = missed(image, target), missed(image[kept], target[kept])

    return [None if math.isnan(error) else error for error in errors]


def recorded(result: Comparison | None, seconds: float, truths: list[Truth], groups: bool) -> dict[str, Any]:
    r"""What the comparison says; a comparison that raised says nothing."""
    sides = () if result is None else (result.a_to_b, result.b_to_a)
    bounds = [None if any(map(math.isnan, side.error)) else list(side.error) for side in sides]
    owed = ("always", "grouped") if groups else ("always",)

    return {
        "groups": groups,
        "verdict": "failed" if result is None else str(result.verdict),
        "truths": [[truth.answer, truth.owed in owed, truth.floor] for truth in truths],
        "bounds": bounds or [None, None],
        "shares": [getattr(side, "share", 1.0) for side in sides] or [1.0, 1.0],
        "seconds": seconds,
        "sentence": "" if result is None else result.sentence,
    }


def compared(*sides: equiv.Observations, **options: Any) -> tuple[Comparison | None, float, str]:
    start = time.process_time()

    try:
        result, reason = equiv.compare(*sides, tolerance=TOLERANCE, **options), ""
    except (ValueError, RuntimeError, IndexError, AssertionError) as error:
        result, reason = None, f"{type(error).__name__}: {str(error)[:200]}"

    return result, time.process_time() - start, reason


def measured_paired(family: str, seed: int) -> list[dict[str, Any]]:
    r"""Without groups, and with them where the pair has some and `equiv.compare` takes them."""
    pair = draw_paired(family, seed)
    inputs, groups = pair.inputs(pair.samples, torch.Generator().manual_seed(own_seed(family, -1 - seed)))
    a, b = (observations(network, inputs, pair.frames) for network in (pair.a, pair.b))
    count = FRESH if max(a.values.shape[1], b.values.shape[1]) < WIDE else FRESH_WIDE
    fresh, _ = (pair.fresh or pair.inputs)(count, torch.Generator().manual_seed(10**6))
    rare = None if pair.rare is None else pair.rare(fresh)
    records = []

    for told in (False, True)[: 1 + (groups is not None and TAKES_GROUPS)]:
        result, seconds, reason = compared(a, b, paired=True, **({"groups": groups} if told else {}))
        errors: list[list[float | None]] = [[None, None], [None, None]]

        if result is not None:
            seen = pair.a(fresh), pair.b(fresh)
            errors = [
                fresh_errors(result.transformation, *seen, rare),
                fresh_errors(result.transformation.inverse, *seen[::-1], rare),
            ]

        records.append(
            {
                "family": family,
                "seed": seed,
                "kind": "paired",
                "shape": [len(inputs), a.values.shape[1], b.values.shape[1]],
                **recorded(result, seconds, [pair.forward, pair.backward], told),
                "rarity": pair.rarity,
                "errors": [both[0] for both in errors],
                "errors_common": [both[1] for both in errors],
                "reason": reason,
            }
        )

    return records


def measured_unpaired(family: str, seed: int) -> list[dict[str, Any]]:
    case = draw_unpaired(family, seed)
    a, b, anchors = case.observed(torch.Generator().manual_seed(own_seed(family, -1 - seed)))
    result, seconds, reason = compared(a, b, paired=False, anchors=anchors)
    errors = [None, None] if result is None else [case.error(result, back) for back in (False, True)]

    return [
        {
            "family": family,
            "seed": seed,
            "kind": "unpaired",
            "shape": [
                len(a),
                len(b),
                a.values.shape[1],
                b.values.shape[1],
                0 if anchors is None else len(anchors),
            ],
            **recorded(result, seconds, [case.forward, case.backward], False),
            "rarity": 0.0,
            "errors": errors,
            "errors_common": errors,
            "symmetries": None if result is None else str(result.symmetries),
            "reason": reason,
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("--paired", action="store_true")
    parser.add_argument("--unpaired", action="store_true")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of each family")
    parser.add_argument("--families", default=None, help="names with commas; all without")
    parser.add_argument("--seconds", type=float, default=450)
    parser.add_argument("--records", type=Path, default=RESULTS / "adversary.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    texts = options.records.read_text().splitlines() if options.records.exists() else []
    records = [json.loads(text) for text in texts]

    if options.action == "report":
        order = [*PAIRED, *UNPAIRED]
        records.sort(key=lambda record: order.index(record["family"]))
        (options.records.parent / "adversary.md").write_text(table(records))
        print(table(records))
        print(*[line(record) for record in records if any(faults(record).values())], sep="\n")

        return

    known = {(r["family"], r["seed"]) for r in records}
    families = {name: measured_paired for name in PAIRED if options.paired} | {
        name: measured_unpaired for name in UNPAIRED if options.unpaired
    }
    names = options.families.split(",") if options.families else families
    start = time.monotonic()

    for seed, family in itertools.product(range(options.first, options.first + options.pairs), names):
        if (family, seed) in known or time.monotonic() - start > options.seconds:
            continue

        with torch.no_grad():
            found = families[family](family, seed)

        with options.records.open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in found)

        print(*map(line, found), sep="\n", flush=True)


if __name__ == "__main__":
    main()

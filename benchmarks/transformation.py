r"""True errors of unpaired transformations between random networks, beside their estimates.

    python benchmarks/transformation.py run --seconds 450     # goes on where the results on disk end
    python benchmarks/transformation.py report                # benchmarks/results/transformation.md

Two random networks see two unrelated samples of one input space; a few anchors are known to correspond. The true
error is the RMS of |T(y_A) - y_B| over the RMS spread of y_B, over 2,000 fresh hidden inputs that neither side has
seen, in both directions; without anchors that of the nearest of the space's symmetries. Networks whose image crosses
itself are left out by the embedding test alone (the verdict is then inconclusive) and counted beside those that do
cross, as 10^5 hidden inputs and Newton's method find (`crossings.py`).
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from unpaired_cases import CASES, SPACES, Case, Pair, draw_pair, relative

import equiv

RESULTS = Path(__file__).parent / "results"
RECORDS = RESULTS / "transformation.jsonl"


def symmetric_images(case: Case, fresh: Tensor) -> list[Tensor]:
    r"""The images of hidden inputs under the symmetries of their space; the inputs alone with anchors."""
    flips = {
        "interval": [(0,)],
        "rectangle": [(0,), (1,), (0, 1)],
        "square": [(0,), (1,), (0, 1)],
    }.get(case.space, [])
    high = torch.tensor(SPACES[case.space].high).double()
    images = [fresh]

    for axes in flips if case.anchors == 0 else []:
        image = fresh.clone()
        image[:, axes] = high[list(axes)] - image[:, axes]
        images.append(image)

    diagonal = case.anchors == 0 and case.space in ("square", "l_equal")

    return images + [image.flip(1) for image in images] if diagonal else images


def measured(case: Case, seed: int) -> dict[str, Any]:
    r"""One pair: what was found, and the truth."""
    pair = draw_pair(case, seed)
    start = time.process_time()
    result = equiv.compare(pair.a, pair.b, paired=False, anchors=pair.anchors)
    record = {
        "case": case.name,
        "seed": seed,
        "seconds": time.process_time() - start,
        "verdict": str(result.verdict),
        "symmetries": result.symmetries,
        "embedding": [result.diagnostics["embedding_a"], result.diagnostics["embedding_b"]],
        "crosses": [_crosses(case.space, case.network, seed, side) for side in (0, 1)],
        "estimates": [list(result.a_to_b.error), list(result.b_to_a.error)],
        "errors": None,
        "sentence": result.sentence,
    }

    if result.verdict == "equivalent" and math.isfinite(case.symmetries):
        record["errors"] = true_errors(case, pair, result.transformation)

    return record


@functools.cache
def _crosses(space: str, kind: str, seed: int, side: int) -> bool:
    return draw_pair(Case(space, 10, 0, math.nan, math.nan, network=kind), seed).networks[side].crosses()


def true_errors(case: Case, pair: Pair, transformation: Any) -> list[float]:
    r"""From A to B and back, on fresh inputs."""
    a, b = pair.networks
    values = a.values(pair.fresh)
    there = transformation(values)
    goal = min(
        (b.values(image) for image in symmetric_images(case, pair.fresh)), key=lambda y: relative(there, y)
    )

    return [relative(there, goal), relative(transformation.inverse(goal), values)]


def quantile(values: list[float], share: float) -> float:
    return torch.tensor(values).double().quantile(share).item() if values else math.nan


def row(case: Case, records: list[dict[str, Any]]) -> str:
    r"""One line of the table."""
    good = [r for r in records if r["verdict"] == "equivalent"]
    refused = [r for r in records if not all(r["embedding"])]
    crossing = [r for r in records if any(r["crosses"])]
    missed = [r for r in crossing if r["verdict"] == "equivalent"]
    errors = [e for r in good if r["errors"] for e in r["errors"]]
    pairs = [(e, i) for r in good if r["errors"] for e, i in zip(r["errors"], r["estimates"], strict=True)]
    held = sum(i[1] <= e <= i[2] for e, i in pairs)
    width = quantile([(i[2] - i[1]) / e for e, i in pairs], 0.5)
    counted = sum(r["symmetries"] == case.symmetries for r in good)
    marks = f"{100 * case.median:.2g} / {100 * case.worst:.2g}" if math.isfinite(case.median) else ""
    shown = [f"{100 * quantile(errors, 0.5):.2g}", f"{100 * max(errors):.2g}"] if errors else ["", ""]

    return " | ".join(
        [
            f"| {case.space} | {case.network} | {case.samples} | {case.anchors}",
            f"{len(good)} of {len(records)} | {len(refused)} | {len(crossing)} | {len(missed)}",
            *shown,
            marks,
            f"{counted} of {len(good)}",
            f"{held} of {len(pairs)} | {width:.1f}" if pairs else " | ",
            f"{quantile([r['seconds'] for r in records], 0.5):.1f} |",
        ]
    )


HEADER = """
# Transformations without pairs

Random networks in pairs, unrelated samples of each; errors in percent of the target's spread, on fresh hidden inputs,
both directions. *refused*: the embedding test found the image of one network to cross itself, or its chart not to be
trusted; *crossing*: that of one network does cross itself, from 10^5 hidden inputs; *missed*: crossing pairs called
equivalent. Marks: the median's and the worst's. Processor seconds of one thread.

| space | networks | samples a side | anchors | equivalent | refused | crossing | missed | median | worst | marks
| symmetries right | bounds hold | width over error | seconds |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
""".lstrip().replace("\n| symmetries", " | symmetries")


def report(records: list[dict[str, Any]]) -> None:
    lines, left = [], []

    for case in CASES:
        own = [r for r in records if r["case"] == case.name]

        if own:
            lines.append(row(case, own))
            left += [remark(case, r) for r in own if remarkable(r)]

    text = HEADER + "\n".join(lines) + "\n"
    text += "\nNot called equivalent although no network crosses itself, or the reverse:\n\n" + "\n".join(
        left
    )
    print(text)
    (RESULTS / "transformation.md").write_text(text + "\n")


def remarkable(record: dict[str, Any]) -> bool:
    r"""Whether a verdict is not the one to expect: "equivalent", or "inconclusive" where one crosses itself."""
    expected = "inconclusive" if any(record["crosses"]) else "equivalent"

    return record["verdict"] != expected


def remark(case: Case, record: dict[str, Any]) -> str:
    r"""Why a verdict is what it is: the first reason of many."""
    reason = record["sentence"].split(": ", 1)[-1].split(";")[0]
    shown = reason if len(reason) <= 160 else reason[:157].rsplit(" ", 1)[0] + " ..."

    return f"* {case.name}, pair {record['seed']}: {record['verdict']}: {shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("spaces", nargs="*", help="input spaces; all without any")
    parser.add_argument("--pairs", type=int, default=50, help="at most so many of each case")
    parser.add_argument("--networks", default=None, help="only cases with these networks")
    parser.add_argument("--samples", type=int, default=None, help="only cases with so many samples a side")
    parser.add_argument("--anchors", type=int, default=None, help="only cases with so many anchors")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--part", default="0/1", help="every k-th seed: 0/2 and 1/2 for two at a time")
    parser.add_argument("--records", type=Path, default=RECORDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.records.read_text().splitlines() if options.records.exists() else []
    records = [json.loads(text) for text in lines]

    if options.action == "report":
        report(records)
        return

    start, known = time.monotonic(), {(r["case"], r["seed"]) for r in records}
    part, parts = map(int, options.part.split("/"))
    chosen = [
        case
        for case in CASES
        if (not options.spaces or case.space in options.spaces)
        and options.networks in (None, case.network)
        and options.samples in (None, case.samples)
        and options.anchors in (None, case.anchors)
    ]

    for seed in range(part, options.pairs, parts):
        for case in chosen:
            if (
                seed < case.pairs
                and (case.name, seed) not in known
                and time.monotonic() - start < options.seconds
            ):
                record = measured(case, seed)

                with options.records.open("a") as file:
                    file.write(json.dumps(record) + "\n")

                errors = record["errors"] or ["", ""]
                print(case.name, seed, record["verdict"], *errors, f"{record['seconds']:.1f} s", flush=True)


if __name__ == "__main__":
    main()

r"""Verdicts of paired comparisons against pairs whose relation is known.

    python benchmarks/verdicts.py run --pairs 40 --samples 1500 --seconds 150
    python benchmarks/verdicts.py report

`run` takes up where the results on disk end, so that many short runs make one long one.
"""

from __future__ import annotations

import argparse
import collections
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from families import FAMILIES, Pair, draw, observe

from equiv.comparison import Comparison
from equiv.observations import Observations
from equiv.paired import compare_paired

TOLERANCE = 0.05
RESULTS = Path(__file__).parent / "results" / "verdicts_paired.jsonl"
SIDES = {
    ("yes", "yes"): "equivalent",
    ("yes", "no"): "a_determines_b",
    ("no", "yes"): "b_determines_a",
    ("no", "no"): "not_equivalent",
}


def true_errors(pair: Pair, result: Comparison, fresh: int) -> tuple[float, float]:
    r"""RMS error over RMS spread of both maps on inputs that were never used."""
    inputs = pair.sample(fresh, torch.Generator().manual_seed(10**6))
    a, b = pair.a(inputs), pair.b(inputs)

    def error(found: torch.Tensor, target: torch.Tensor) -> float:
        spread = (target - target.mean(dim=0)).square().sum()
        return ((found - target).square().sum() / spread).sqrt().item()

    return error(result.transformation(a), b), error(result.transformation.inverse(b), a)


def judged(expected: bool | None, error: float) -> str:
    r"""One direction's truth: "yes", "no", "apart" (near the tolerance), "hard" (determined, but T misses it).

    A relation that fails by less than the tolerance counts as it shows: "yes".
    """
    if TOLERANCE / 1.5 <= error <= TOLERANCE * 1.5:
        return "apart"

    if error < TOLERANCE:
        return "yes"

    return "hard" if expected else "no"


def measured(family: str, seed: int, samples: int, fresh: int, frames: bool) -> dict[str, Any]:
    r"""One pair's truth beside the verdict on it."""
    pair = draw(family, seed)
    # Samples of their own: errors of pairs that share their inputs' gaps would not be independent.
    inputs = pair.sample(samples, torch.Generator().manual_seed(1000 * seed + list(FAMILIES).index(family)))
    (a, frames_a), (b, frames_b) = (observe(network, inputs) for network in (pair.a, pair.b))
    observed = (Observations(a, frames_a), Observations(b, frames_b))

    if not frames:
        observed = (Observations(a), Observations(b))

    start = time.process_time()

    with torch.no_grad():
        result = compare_paired(*observed, tolerance=TOLERANCE)
        seconds = time.process_time() - start
        errors = true_errors(pair, result, fresh)

    truths = [judged(*both) for both in zip((pair.forward, pair.backward), errors, strict=True)]

    return {
        "family": family,
        "seed": seed,
        "samples": samples,
        "frames": frames,
        "shape": [inputs.shape[1], a.shape[1], b.shape[1]],
        "verdict": str(result.verdict),
        "truths": truths,
        "related": [pair.forward, pair.backward],
        "errors": errors,
        "bounds": [list(result.a_to_b.error), list(result.b_to_a.error)],
        "seconds": seconds,
        "diagnostics": {key: value for key, value in result.diagnostics.items() if key != "paired"},
    }


def outcome(record: dict[str, Any]) -> str:
    r"""right, inconclusive, wrong, FALSE EQUIVALENT; "apart" first where a true error is near the tolerance."""
    truths, verdict = tuple(record["truths"]), record["verdict"]
    false = verdict == "equivalent" and ("no" in truths or max(record["errors"]) > TOLERANCE * 1.5)

    if false:
        return "FALSE EQUIVALENT"

    if "apart" in truths:
        return f"apart: {verdict}"

    # A map that exists but was not learned: only "inconclusive" is not wrong.
    right = SIDES.get(truths, "inconclusive")

    if verdict == right:
        return "right" if "hard" not in truths else "hard: inconclusive"

    return "inconclusive" if verdict == "inconclusive" else "wrong"


def covered(record: dict[str, Any]) -> list[bool]:
    pairs = zip(record["bounds"], record["errors"], strict=True)

    return [low <= error <= high for (_, low, high), error in pairs]


def line(record: dict[str, Any]) -> str:
    both = [
        f"{100 * estimate:.3g} % ({100 * low:.3g} to {100 * high:.3g}) true {100 * error:.3g}"
        for (estimate, low, high), error in zip(record["bounds"], record["errors"], strict=True)
    ]

    return (
        f"{record['family']} {record['seed']} {record['shape']}: {outcome(record)}, {record['verdict']}, "
        f"truth {record['truths']} | {' | '.join(both)} | {record['seconds']:.1f} s"
    )


def report(records: list[dict[str, Any]]) -> None:
    r"""The tables that the verdict must show."""
    for samples, frames in sorted({(r["samples"], r["frames"]) for r in records}):
        chosen = [r for r in records if (r["samples"], r["frames"]) == (samples, frames)]
        print(f"\n{len(chosen)} pairs, n = {samples}, {'with' if frames else 'without'} frames")
        count = collections.Counter(map(outcome, chosen))
        clear = [r for r in chosen if not outcome(r).startswith("apart")]
        print("  " + ", ".join(f"{name} {number}" for name, number in count.most_common()))
        print(
            f"  right {100 * count['right'] / max(len(clear), 1):.1f} % of {len(clear)} not near the tolerance"
        )
        hits = [hit for r in chosen for hit in covered(r)]
        widths = [(b[2] - b[1]) / max(b[0], 1e-300) for r in chosen for b in r["bounds"]]
        print(
            f"  bounds cover {100 * sum(hits) / len(hits):.1f} %, median width {statistics.median(widths):.2f}"
        )
        above = sum(e > b[2] for r in chosen for b, e in zip(r["bounds"], r["errors"], strict=True))
        print(f"  true error above the bounds in {above}, below in {len(hits) - sum(hits) - above}")
        print(f"  CPU seconds: median {statistics.median(r['seconds'] for r in chosen):.1f}")

        for family in FAMILIES:
            rows = collections.Counter(outcome(r) for r in chosen if r["family"] == family)
            print(f"    {family:16} " + ", ".join(f"{name} {number}" for name, number in rows.most_common()))

        for r in chosen:
            if outcome(r) in ("wrong", "inconclusive", "FALSE EQUIVALENT", "hard: inconclusive"):
                print("   ", line(r))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("--pairs", type=int, default=5, help="pairs of each family")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--fresh", type=int, default=100_000)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--values-only", action="store_true")
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = (
        [json.loads(text) for text in options.results.read_text().splitlines()]
        if options.results.exists()
        else []
    )

    if options.action == "report":
        report(records)
        return

    known = {(r["family"], r["seed"], r["samples"], r["frames"]) for r in records}
    start, frames = time.monotonic(), not options.values_only

    for seed in range(options.first, options.first + options.pairs):
        for family in options.families.split(","):
            if (family, seed, options.samples, frames) in known or time.monotonic() - start > options.seconds:
                continue

            record = measured(family, seed, options.samples, options.fresh, frames)

            with options.results.open("a") as file:
                file.write(json.dumps(record) + "\n")

            print(line(record), flush=True)


if __name__ == "__main__":
    main()

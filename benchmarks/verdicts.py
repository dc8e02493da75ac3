r"""Verdicts of paired comparisons against pairs whose relation is known.

python benchmarks/verdicts.py --pairs 5 --samples 1500 --families fold,leak
"""

from __future__ import annotations

import argparse
import collections
import time

import torch
from families import FAMILIES, Pair, draw, observe

from equiv.comparison import Comparison
from equiv.observations import Observations
from equiv.paired import compare_paired

TOLERANCE = 0.05


def true_errors(pair: Pair, result: Comparison, fresh: int) -> tuple[float, float]:
    r"""RMS error over RMS spread of both maps on inputs that were never used."""
    inputs = pair.sample(fresh, torch.Generator().manual_seed(10**6))
    a, b = pair.a(inputs), pair.b(inputs)

    def error(found: torch.Tensor, target: torch.Tensor) -> float:
        spread = (target - target.mean(dim=0)).square().sum()
        return ((found - target).square().sum() / spread).sqrt().item()

    return error(result.transformation(a), b), error(result.transformation.inverse(b), a)


def judged(expected: bool | None, truth: float) -> str:
    r"""One direction's truth: "yes", "no", "apart" (near the tolerance), "hard" (determined, but T misses it).

    A relation that holds but for an error below the tolerance counts as it shows: "yes".
    """
    if TOLERANCE / 1.5 <= truth <= TOLERANCE * 1.5:
        return "apart"
    if expected is None or expected == (truth < TOLERANCE):
        return "yes" if truth < TOLERANCE else "no"
    return "hard" if expected else "yes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of each family")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--fresh", type=int, default=20_000)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--frames", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    count: collections.Counter[str] = collections.Counter()
    covered, widths = [], []
    sides = {("yes", "yes"): "equivalent", ("yes", "no"): "a_determines_b"}
    sides |= {("no", "yes"): "b_determines_a", ("no", "no"): "not_equivalent"}

    for family in options.families.split(","):
        for seed in range(options.first, options.first + options.pairs):
            pair = draw(family, seed)
            inputs = pair.sample(options.samples, torch.Generator().manual_seed(seed))
            observed = [observe(network, inputs) for network in (pair.a, pair.b)]
            a, b = (Observations(y, j if options.frames else None) for y, j in observed)
            start = time.process_time()
            with torch.no_grad():
                result = compare_paired(a, b, tolerance=TOLERANCE)
                seconds = time.process_time() - start
                errors = true_errors(pair, result, options.fresh)
            truths = []

            for expected, error, direction in zip(
                (pair.forward, pair.backward), errors, (result.a_to_b, result.b_to_a), strict=True
            ):
                truths.append(judged(expected, error))
                bounds = direction.error
                covered.append(bounds.low <= error <= bounds.high)
                widths.append((bounds.high - bounds.low) / max(bounds.estimate, 1e-300))

            right = sides.get((truths[0], truths[1]))
            verdict = str(result.verdict)
            if right is None:
                outcome = "apart:" + (
                    "false equivalent" if verdict == "equivalent" and "no" in truths else verdict
                )
            elif verdict == right:
                outcome = "right"
            elif verdict == "inconclusive":
                outcome = "inconclusive"
            else:
                outcome = "FALSE EQUIVALENT" if verdict == "equivalent" else "wrong"
            count[outcome] += 1

            if options.verbose or outcome not in ("right",) or not all(covered[-2:]):
                bounds = [
                    f"{d.error.estimate:.2e} ({d.error.low:.2e}, {d.error.high:.2e}) true {e:.2e}"
                    f"{'' if d.error.low <= e <= d.error.high else ' OUT'}"
                    for d, e in zip((result.a_to_b, result.b_to_a), errors, strict=True)
                ]
                print(
                    f"{family} {seed} m={inputs.shape[1]} d={a.values.shape[1]},{b.values.shape[1]} {outcome}: "
                    f"{verdict} truth {truths} | {bounds[0]} | {bounds[1]} | {seconds:.1f} s",
                    flush=True,
                )
                if options.verbose:
                    print("   ", {k: v for k, v in result.diagnostics.items()}, flush=True)

    print(dict(count), f"coverage {sum(covered) / len(covered):.3f} of {len(covered)}", end=" ")
    print(f"median width {sorted(widths)[len(widths) // 2]:.2f}")


if __name__ == "__main__":
    main()

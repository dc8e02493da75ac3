r"""Verdicts on pairs whose relation is known, drawn at random from `families.py` and `geometries.py`.

    python benchmarks/verdicts.py run --pairs 40 --samples 1500 --seconds 450
    python benchmarks/verdicts.py run --unpaired --pairs 20 --samples 1500 --seconds 450
    python benchmarks/verdicts.py report        # benchmarks/results/verdicts.md and verdicts.json

`run` takes up where the results on disk end, so that many short runs make one long one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from families import FAMILIES, Pair, draw, observe
from geometries import GEOMETRIES, draw_geometry
from nearest import nearest_error
from torch import Tensor
from unpaired_cases import relative
from verdict_tables import TOLERANCE, line, outcome, tables

from equiv import baselines
from equiv.comparison import Comparison
from equiv.observe.observations import Observations
from equiv.paired.compare import compare_paired
from equiv.unpaired.compare import compare_unpaired

RESULTS = Path(__file__).parent / "results"
PEERS = ("linear_cka", "rbf_cka", "svcca", "pwcca", "procrustes", "rsa", "mutual_knn")
PEER_SAMPLES = 500
# Inputs at which frames are looked at, what counts as no change, and the share of inputs that makes a relation unsure.
LOOKED, FLAT, CONSTANT = 2000, 1e-9, 0.01
# Right relations, and the directions in which there is a map: from A (0), from B (1).
SEEN = {
    ("equivalent", "isometric"): (0, 1),
    ("a_determines_b", "A maps onto B"): (0,),
    ("b_determines_a", "B maps onto A"): (1,),
}


def true_errors(pair: Pair, result: Comparison, fresh: int) -> list[float]:
    r"""RMS error over RMS spread of both maps on inputs that were never used."""
    inputs = pair.sample(fresh, torch.Generator().manual_seed(10**6))
    a, b = pair.a(inputs), pair.b(inputs)

    return [relative(result.transformation(a), b), relative(result.transformation.inverse(b), a)]


def judged(expected: bool | None, error: float, constant: float) -> str:
    r"""One direction's truth: "yes", "no", "apart" (near the tolerance), "hard" (determined, but T misses it).

    A relation that fails by less than the tolerance counts as it shows: "yes". Where a family says determined but
    frames show that it is not, as of ReLU neurons that are too few somewhere, how much is lost is not known: "apart".
    """
    if TOLERANCE / 1.5 <= error <= TOLERANCE * 1.5:
        return "apart"

    if error < TOLERANCE:
        return "yes"

    if not expected:
        return "no"

    return "apart" if constant > CONSTANT else "hard"


def constant_share(source: Tensor, target: Tensor) -> float:
    r"""Share of inputs at which the source does not change in a direction in which the target does, by their frames."""
    _, singular, turned = torch.linalg.svd(source, full_matrices=True)
    m = source.shape[2]
    rank = (singular > FLAT * singular.amax()).sum(dim=1)
    hidden = torch.arange(m) >= rank[:, None]
    seen = (target @ turned.mT).norm(dim=1) > FLAT * target.norm(dim=(1, 2))[:, None]

    return (hidden & seen).any(dim=1).double().mean().item()


def measured(family: str, seed: int, samples: int, fresh: int, frames: bool) -> dict[str, Any]:
    r"""A paired comparison beside the truth, and beside what the usual measures say."""
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

    shown = pair.sample(LOOKED, torch.Generator().manual_seed(10**6 + 1))
    fresh_a, fresh_b = (observe(network, shown)[1] for network in (pair.a, pair.b))
    constant = constant_share(fresh_a, fresh_b), constant_share(fresh_b, fresh_a)
    claimed = pair.forward, pair.backward
    some = slice(0, PEER_SAMPLES)

    return {
        "family": family,
        "seed": seed,
        "samples": samples,
        "kind": "paired" if frames else "values",
        "shape": [inputs.shape[1], a.shape[1], b.shape[1]],
        "verdict": str(result.verdict),
        "truths": [judged(*side) for side in zip(claimed, errors, constant, strict=True)],
        "fresh": fresh,
        "errors": errors,
        "bounds": [list(result.a_to_b.error), list(result.b_to_a.error)],
        "seconds": seconds,
        "peers": {name: getattr(baselines, name)(a[some], b[some]) for name in PEERS},
        "sentence": result.sentence,
        "diagnostics": {
            key: result.diagnostics[key]
            for key in ("leak_a_to_b", "fold_a_to_b", "leak_b_to_a", "fold_b_to_a")
            if key in result.diagnostics
        },
    }


def measured_unpaired(family: str, seed: int, samples: int) -> dict[str, Any]:
    r"""An unpaired comparison beside the truth."""
    geometry = draw_geometry(family, seed)
    a, b, anchors = geometry.observed(samples, torch.Generator().manual_seed(seed))
    start = time.process_time()

    with torch.no_grad():
        result = compare_unpaired(a, b, anchors, tolerance=TOLERANCE)
        seconds = time.process_time() - start
        errors: list[float | None] = [None, None]

        found = (geometry.relation, str(result.diagnostics["relation"]))

        if found in SEEN:
            errors = [nearest_error(geometry, result, bool(k)) if k in SEEN[found] else None for k in (0, 1)]

    return {
        "family": family,
        "seed": seed,
        "samples": samples,
        "kind": "unpaired",
        "shape": [geometry.spaces[0].dimension, a.values.shape[1], b.values.shape[1]],
        "verdict": str(result.verdict),
        "relation": geometry.relation,
        "anchors": geometry.anchors,
        "symmetries": str(result.symmetries),
        "errors": errors,
        "bounds": [
            [None if math.isnan(x) else x for x in side.error] for side in (result.a_to_b, result.b_to_a)
        ],
        "seconds": seconds,
        "sentence": result.sentence,
        "diagnostics": {
            name: str(value)
            for name, value in result.diagnostics.items()
            if name.startswith(("objections", "relation", "spectral", "roughness", "overlap"))
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("--pairs", type=int, default=5, help="pairs of each family")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--fresh", type=int, default=100_000)
    parser.add_argument("--families", default=None, help="names with commas; all without")
    parser.add_argument("--unpaired", action="store_true")
    parser.add_argument("--values-only", action="store_true")
    parser.add_argument("--seconds", type=float, default=450)
    parser.add_argument("--records", type=Path, default=RESULTS / "verdicts.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    texts = options.records.read_text().splitlines() if options.records.exists() else []
    records = [json.loads(text) for text in texts]

    if options.action == "report":
        table, figures = tables(records)
        print(table)
        (RESULTS / "verdicts.md").write_text(table + "\n")
        (RESULTS / "verdicts.json").write_text(json.dumps(figures, indent=1) + "\n")

        for record in records:
            if outcome(record) in ("wrong", "inconclusive", "FALSE EQUIVALENT", "hard: inconclusive"):
                print(line(record))

        return

    kind = "unpaired" if options.unpaired else "values" if options.values_only else "paired"
    known = {(r["family"], r["seed"], r["samples"], r["kind"]) for r in records}
    names = options.families.split(",") if options.families else GEOMETRIES if options.unpaired else FAMILIES
    start = time.monotonic()

    for seed, family in itertools.product(range(options.first, options.first + options.pairs), names):
        if (family, seed, options.samples, kind) in known or time.monotonic() - start > options.seconds:
            continue

        if options.unpaired:
            record = measured_unpaired(family, seed, options.samples)
        else:
            record = measured(family, seed, options.samples, options.fresh, kind == "paired")

        with options.records.open("a") as file:
            file.write(json.dumps(record) + "\n")

        print(line(record), flush=True)


if __name__ == "__main__":
    main()

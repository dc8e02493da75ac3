r"""The same unpaired points given to the methods that others would take, beside `equiv`.

    python benchmarks/unpaired_peers.py run --seconds 450     # goes on where the results on disk end
    python benchmarks/unpaired_peers.py ours                  # ours anew, on the pairs of the results on disk
    python benchmarks/unpaired_peers.py report                # benchmarks/results/unpaired_peers.md

Pairs of random networks on the square (`unpaired_cases.py`), the same samples and the same four anchors for all:

* Gromov-Wasserstein couplings (POT), plain and entropic, with a barycentric map. Distances: Euclidean between the
  activations, geodesic on their graph of neighbours, or geodesic in the metric of the frames, which is ours. The
  anchors enter by the start (the optimal coupling of the distances to the anchors) and as a fused cost.
* Wasserstein-Procrustes: optimal assignment and orthogonal fit in turn, from the anchors and from random starts.
* Given all pairs, what nobody else here has: Procrustes with scaling, and ridge regression.

Every setting of a peer is tried, and the best *by its true error on the fresh inputs* is reported, as no user could
choose it; ours runs with its defaults. Fresh inputs take the mean of the images of the nearest samples, or kernel
ridge regression on the images, whichever is better.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ot
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from unpaired_cases import Case, Pair, draw_pair, relative

import equiv

RESULTS = Path(__file__).parent / "results"
RECORDS = RESULTS / "unpaired_peers.jsonl"
CASES = {samples: Case("square", samples, 4, math.nan, math.nan) for samples in (500, 2000)}

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]


def geodesics(squared: Array, neighbors: int = 10) -> Array:
    r"""Shortest paths on the graph of nearest neighbours, joined where it falls apart."""
    n = len(squared)
    nearest = np.argsort(squared, axis=1)[:, 1 : neighbors + 1]
    rows = np.repeat(np.arange(n), neighbors)
    lengths = np.sqrt(squared[rows, nearest.ravel()])
    paths = dijkstra(csr_array((lengths, (rows, nearest.ravel())), shape=(n, n)), directed=False)

    return np.where(np.isfinite(paths), paths, 2 * paths[np.isfinite(paths)].max())


def distances(obs: equiv.Observations, kind: str) -> Array:
    r"""Distances between the samples, `(n, n)`, over their RMS."""
    values = obs.values.numpy()

    if kind == "metric":
        found = geodesics(equiv.mahalanobis(obs).numpy())
    elif kind == "graph":
        standard = (values - values.mean(axis=0)) / values.std(axis=0)
        found = geodesics(cdist(standard, standard, "sqeuclidean"))
    else:
        found = cdist(values, values)

    return found / np.sqrt((found**2).mean())


def images(source: Array, target: Array) -> Iterator[tuple[str, Predict]]:
    r"""Continuations of images of the samples to fresh activations."""
    tree = cKDTree(source)

    for k in (1, 5, 15):

        def nearest(fresh: Array, k: int = k) -> Array:
            return target[tree.query(fresh, k)[1].reshape(len(fresh), k)].mean(axis=1)

        yield f"mean of {k}", nearest

    middle, scale = source.mean(axis=0), source.std(axis=0)
    points, goal = (source - middle) / scale, target.mean(axis=0)

    for width, ridge in itertools.product((0.3, 1.0, 3.0), (1e-8, 1e-5, 1e-3, 1e-1)):
        bend = -0.5 / (width**2 * source.shape[1])
        gram = np.exp(bend * cdist(points, points, "sqeuclidean"))
        solved = np.linalg.solve(gram + ridge * np.eye(len(points)), target - goal)

        def smooth(fresh: Array, bend: float = bend, solved: Array = solved) -> Array:
            return np.exp(bend * cdist((fresh - middle) / scale, points, "sqeuclidean")) @ solved + goal

        yield f"width {width:g}, ridge {ridge:g}", smooth


def couplings(pair: Pair, entropic: bool) -> Iterator[tuple[str, Array]]:
    r"""Gromov-Wasserstein couplings under all settings."""
    assert pair.anchors is not None
    known = pair.anchors.numpy()
    # Of many samples a coupling takes minutes: under the distances alone that were best of few, from a near start.
    few = len(pair.a) < 1000
    steps = 60 if few else 15

    for kind in ("metric", "graph", "euclidean") if few else ("metric",):
        first, second = distances(pair.a, kind), distances(pair.b, kind)
        p, q = ot.unif(len(first)), ot.unif(len(second))
        cost = cdist(first[:, known[:, 0]], second[:, known[:, 1]], "sqeuclidean")
        start = ot.emd(p, q, cost, numItermax=10**6)

        if entropic:
            for epsilon in (5e-4, 2e-3, 1e-2):
                found = ot.gromov.entropic_gromov_wasserstein(
                    first, second, p, q, epsilon=epsilon, G0=start, max_iter=steps, tol=1e-7
                )
                yield f"{kind}, epsilon {epsilon:g}", found

            continue

        yield (
            f"{kind}, plain",
            ot.gromov.gromov_wasserstein(first, second, p, q, G0=start, max_iter=steps, tol_rel=1e-7),
        )
        fused = ot.gromov.fused_gromov_wasserstein(
            cost, first, second, p, q, alpha=0.5, G0=start, max_iter=steps, tol_rel=1e-7
        )
        yield f"{kind}, fused", fused


def by_coupling(pair: Pair, entropic: bool) -> Iterator[tuple[str, Predict]]:
    source, target = pair.a.values.numpy(), pair.b.values.numpy()

    for setting, coupling in couplings(pair, entropic):
        mass = coupling.sum(axis=1, keepdims=True)

        if np.isfinite(coupling).all() and (mass > 0).all():
            for way, predict in images(source, coupling @ target / mass):
                yield f"{setting}, {way}", predict


def orthogonal(source: Array, target: Array) -> Predict:
    r"""Procrustes with translation and scaling, between spaces of different dimensions too."""
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    left, singular, right = np.linalg.svd((source - middle).T @ (target - goal), full_matrices=False)
    matrix = left @ right * singular.sum() / ((source - middle) ** 2).sum()

    return lambda fresh: (fresh - middle) @ matrix + goal


def wasserstein_procrustes(pair: Pair) -> Iterator[tuple[str, Predict]]:
    assert pair.anchors is not None
    source, target = pair.a.values.numpy(), pair.b.values.numpy()
    p, q = ot.unif(len(source)), ot.unif(len(target))
    generator = np.random.default_rng(0)
    width = min(source.shape[1], target.shape[1])
    bases = [np.linalg.svd(y - y.mean(axis=0), full_matrices=False)[2][:width] for y in (source, target)]
    known = pair.anchors.numpy()
    starts = [("anchors", orthogonal(source[known[:, 0]], target[known[:, 1]]))]

    for index in range(4):
        turn = np.linalg.qr(generator.standard_normal((width, width)))[0] if index else np.eye(width)
        matrix = bases[0].T @ turn @ bases[1] * np.sqrt(target.var() / source.var())
        middle, goal = source.mean(axis=0), target.mean(axis=0)
        starts.append((f"start {index}", lambda y, a=middle, m=matrix, b=goal: (y - a) @ m + b))

    for name, predict in starts:
        for _ in range(15 if len(source) < 1000 else 6):
            coupling = ot.emd(p, q, cdist(predict(source), target, "sqeuclidean"), numItermax=10**6)
            predict = orthogonal(source, coupling @ target / coupling.sum(axis=1, keepdims=True))

        yield name, predict


def with_all_pairs(pair: Pair) -> dict[str, list[tuple[str, Predict]]]:
    r"""What sees B at all of A's inputs."""
    source, target = pair.a.values.numpy(), pair.networks[1].values(pair.hidden[0]).numpy()
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    ridges: list[tuple[str, Predict]] = []

    for ridge in (0.0, 1e-6, 1e-3, 1e-1):
        gram = (source - middle).T @ (source - middle)
        penalty = ridge * np.trace(gram) * np.eye(len(gram))
        matrix = np.linalg.solve(gram + penalty, (source - middle).T @ (target - goal))
        ridges.append((f"ridge {ridge:g}", lambda y, m=matrix: (y - middle) @ m + goal))

    return {"Procrustes, all pairs": [("", orthogonal(source, target))], "ridge, all pairs": ridges}


def ours(pair: Pair) -> dict[str, Any]:
    r"""Our verdict, and the error from A to B with its processor seconds where it is "equivalent"."""
    start = time.process_time()
    result = equiv.compare(pair.a, pair.b, paired=False, anchors=pair.anchors)
    seconds = time.process_time() - start
    found: dict[str, Any] = {"verdict": str(result.verdict)}

    if result.verdict == "equivalent":
        values, truth = (network.values(pair.fresh) for network in pair.networks)
        found["equiv"] = {"error": relative(result.transformation(values), truth), "seconds": seconds}

    return found


def measured(samples: int, seed: int) -> dict[str, Any]:
    r"""Every method on one pair: error from A to B, its best setting, and seconds of all settings."""
    pair = draw_pair(CASES[samples], seed)
    record: dict[str, Any] = {"samples": samples, "seed": seed} | ours(pair)

    if "equiv" not in record:
        return record

    values, truth = (network.values(pair.fresh) for network in pair.networks)
    methods: dict[str, Any] = {
        "Gromov-Wasserstein": by_coupling(pair, False),
        "entropic Gromov-Wasserstein": by_coupling(pair, True),
        "Wasserstein-Procrustes": wasserstein_procrustes(pair),
        **with_all_pairs(pair),
    }

    for name, tried in methods.items():
        start = time.process_time()
        found = [
            (relative(torch.from_numpy(predict(values.numpy())), truth), setting)
            for setting, predict in tried
        ]
        best = min(found)
        record[name] = {"error": best[0], "setting": best[1], "seconds": time.process_time() - start}

    return record


NAMES = (
    "equiv",
    "Gromov-Wasserstein",
    "entropic Gromov-Wasserstein",
    "Wasserstein-Procrustes",
    "Procrustes, all pairs",
    "ridge, all pairs",
)


def report(records: list[dict[str, Any]]) -> None:
    lines = [
        "# Other methods on the same unpaired points",
        "",
        (__doc__ or "").split("\n\n", 2)[2].strip(),
        "",
        "| samples a side | method | pairs | median error in percent | least | over ours, least "
        "| seconds of one thread (all settings) |",
        "|---|---|---|---|---|---|---|",
    ]

    for samples, name in itertools.product(CASES, NAMES):
        own = [r for r in records if r["samples"] == samples and name in r]
        errors = sorted(r[name]["error"] for r in own)

        if own:
            over = min(r[name]["error"] / r["equiv"]["error"] for r in own)
            seconds = sorted(r[name]["seconds"] for r in own)[len(own) // 2]
            lines.append(
                f"| {samples} | {name} | {len(own)} | {100 * errors[len(own) // 2]:.2g} | {100 * errors[0]:.2g} "
                f"| {over:.0f} | {seconds:.1f} |"
            )

    print("\n".join(lines))
    (RESULTS / "unpaired_peers.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "ours", "report"))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--samples", type=int, choices=tuple(CASES), default=500)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--records", type=Path, default=RECORDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="ot")  # of iterations that end before they converge
    lines = options.records.read_text().splitlines() if options.records.exists() else []
    records = [json.loads(text) for text in lines]

    if options.action == "report":
        report(records)
        return

    if options.action == "ours":
        records = [r | ours(draw_pair(CASES[r["samples"]], r["seed"])) for r in records]
        options.records.write_text("".join(json.dumps(r) + "\n" for r in records))
        return

    start, known = time.monotonic(), {(r["samples"], r["seed"]) for r in records}

    for seed in range(options.pairs):
        if (options.samples, seed) not in known and time.monotonic() - start < options.seconds:
            record = measured(options.samples, seed)

            with options.records.open("a") as file:
                file.write(json.dumps(record) + "\n")

            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()

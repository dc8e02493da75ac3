r"""Galerkin maps at n = 10^5, 10^6, 10^7, streamed in single precision on one thread: time, memory, rate.

    python benchmarks/scale.py                    # all three: minutes
    python benchmarks/scale.py --sizes 100000     # one

Every size is a process of its own: evenly spread points of a rectangle, seen through 10 neurons of a random
network (m = 2), 300 Gaussians, batches of 65,536. Time is that of `partial_fit` alone (making the data is
timed apart). The rate of a plain matrix product, (301 x 4096)(4096 x 301) in single precision, is measured
every few batches of the same run; rates are by processor time, so that other processes of a busy machine
disturb them less. Writes `benchmarks/results/scale.md` and `scale.json`.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SIZES = (100_000, 1_000_000, 10_000_000)
BATCH, OUTPUTS, GAUSSIANS = 65_536, 10, 300
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def product_rate() -> float:
    r"""Operations per second of a plain product of the size of one block of sums."""
    import torch

    columns = torch.randn(4096, GAUSSIANS + 1)
    columns.T @ columns
    start = time.process_time()
    for _ in range(8):
        columns.T @ columns

    return 8 * 2 * columns.numel() * columns.shape[1] / (time.process_time() - start)


def one_size(n: int) -> dict[str, Any]:
    r"""One streamed fit, timed."""
    sys.path[:0] = [str(ROOT / "tests")]
    import torch
    from manifolds import DOMAINS, RandomEmbedding

    from equiv import GalerkinMaps, Observations

    torch.set_num_threads(1)
    space = DOMAINS["rectangle"]
    high = torch.tensor(space.high)
    network = RandomEmbedding(2, OUTPUTS, seed=0)
    first, shift, second = network.first.float(), network.shift.float(), network.second.float()
    slopes_to_frames = (second.T[:, :, None] * first[:, None]).reshape(len(first), -1)
    points = torch.quasirandom.SobolEngine(2, scramble=True, seed=0)
    maps = GalerkinMaps(n_coordinates=10, n_basis=GAUSSIANS)
    seconds = {"data": 0.0, "setup": 0.0, "sums": 0.0, "processor": 0.0, "processor_sums": 0.0}
    rates, done = [product_rate()], 0

    while done < n:
        start = time.perf_counter()
        x = points.draw(min(BATCH, n - done)) * high
        hidden = torch.tanh(x @ first.T + shift)
        frames = ((1 - hidden.square()) @ slopes_to_frames).view(len(x), OUTPUTS, 2)
        obs = Observations(hidden @ second.T, frames)
        middle, used = time.perf_counter(), time.process_time()
        maps.partial_fit(obs)
        seconds["data"] += middle - start
        seconds["setup" if done == 0 else "sums"] += time.perf_counter() - middle
        used = time.process_time() - used
        seconds["processor"] += used
        seconds["processor_sums"] += used if done else 0.0
        done += len(x)
        if done // BATCH % 4 == 1:
            rates.append(product_rate())

    start = time.perf_counter()
    eigenvalues = maps.eigenvalues_
    seconds["solve"] = time.perf_counter() - start
    p, q, m, r = GAUSSIANS + 1, maps.basis_.size, 2, maps.basis_.centers.shape[1]
    # Exponents and slopes, the combinations, and three quarters of the two symmetric products.
    operations = 2 * p * (r + 2) + 2 * m * p * (r + 1) + (1 + m) * (2 * p * q + 1.5 * q * q)
    # What the same sums cost when the products of all 301 functions are formed plainly.
    plain = 2 * p * (r + 2) + 2 * m * p * (r + 1) + (1 + m) * 2 * p * p
    rate = operations * (n - min(BATCH, n)) / seconds["processor_sums"]
    exact = torch.pi**2 * torch.tensor([1 / 2.25, 1.0, 1 + 1 / 2.25, 4 / 2.25, 1 + 4 / 2.25, 4.0])

    return {
        "n": n,
        "seconds": seconds,
        "seconds_total": seconds["setup"] + seconds["sums"] + seconds["solve"],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "functions_resolved": q,
        "gflops": rate / 1e9,
        "gemm_gflops": sorted(rates)[len(rates) // 2] / 1e9,
        "share_of_gemm": rate / sorted(rates)[len(rates) // 2],
        "share_of_gemm_counting_plain_products": plain / operations * rate / sorted(rates)[len(rates) // 2],
        "error": (eigenvalues[1:7] / exact - 1).abs().max().item(),
    }


def table(rows: list[dict[str, Any]]) -> str:
    r"""The figures in Markdown."""
    lines = [
        "# Galerkin maps, streamed",
        "",
        f"d = {OUTPUTS}, m = 2, {GAUSSIANS} Gaussians, single precision, one thread, batches of {BATCH:,}.",
        "`partial_fit` only: the basis is chosen in the first batch (setup), the rest is sums. Marks: 10^6",
        "in 12 s, under 600 MiB, at most 11 times longer per decade, at least 60 % of a plain product's rate",
        "(rates by processor time).",
        "The sums are formed over the combinations of the 301 functions that the samples resolve. `share`",
        "counts the operations done, `as plain` those of the plain products over all 301 for the same sums.",
        "",
        "| n | seconds (setup, sums, solve) | processor s | peak MiB | resolved | Gflop/s | plain product | "
        "share | as plain | worst of 6 eigenvalues |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        s = row["seconds"]
        lines.append(
            f"| {row['n']:,} | {row['seconds_total']:.1f} ({s['setup']:.1f}, {s['sums']:.1f}, "
            f"{s['solve']:.2f}) | {s['processor']:.1f} | {row['peak_mib']:.0f} | "
            f"{row['functions_resolved']} | {row['gflops']:.0f} | "
            f"{row['gemm_gflops']:.0f} | {row['share_of_gemm']:.0%} | "
            f"{row['share_of_gemm_counting_plain_products']:.0%} | {row['error']:.3%} |"
        )
    ratios = [b["seconds_total"] / a["seconds_total"] for a, b in itertools.pairwise(rows)]
    lines += [
        "",
        "Ratios of total time from size to size: " + ", ".join(f"{r:.1f}" for r in ratios) + ".",
        "",
    ]

    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    if arguments.one:
        print(json.dumps(one_size(arguments.one)))
        return

    rows = []
    for n in arguments.sizes:
        command = [sys.executable, __file__, "--one", str(n)]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(table(rows), flush=True)

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(rows, indent=1) + "\n")
    (RESULTS / "scale.md").write_text(table(rows))


if __name__ == "__main__":
    main()

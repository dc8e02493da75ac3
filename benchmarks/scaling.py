r"""What a sample, a neuron, a direction and a basis function cost: Galerkin sums and probing, measured.

    python benchmarks/scaling.py   # one thread: half a minute

Sums: single precision, random activations, one factor varied at a time. Probing: a perceptron of three hidden
layers, frames along given tangents. Times are processor times, the best of three. Writes
`benchmarks/results/scaling.json` and `scaling.md`.
"""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import equiv
from equiv.spectral.gaussian_basis import GaussianBasis

RESULTS = Path(__file__).parent / "results"
# Neurons d, directions m, Gaussians p; all of them resolved.
SUMS = [
    (10, 2, 300),
    (100, 2, 300),
    (1000, 2, 300),
    (100, 8, 300),
    (100, 2, 100),
    (100, 2, 1000),
    (1000, 8, 1000),
]
# Width of the network and directions m.
PROBES = [(256, 2), (1024, 2), (1024, 8)]


def best_of_three(work: Callable[[], Any]) -> float:
    r"""Seconds of processor time, which other processes of a busy machine disturb less."""
    times = []
    work()
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)

    return min(times)


def sums(d: int, m: int, p: int) -> dict[str, Any]:
    r"""Seconds a sample of adding to the sums, and the operations behind them."""
    n = 8192
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(n, d, generator=generator)
    frames = torch.randn(n, d, m, generator=generator) / d**0.5
    basis = GaussianBasis(
        torch.zeros(d, dtype=torch.float64),
        torch.eye(d, dtype=torch.float64) / (2 * d) ** 0.5,
        values[:p].double() / (2 * d) ** 0.5,
    )
    seconds = best_of_three(lambda: basis.sums(values, frames)) / n
    q = p + 1
    operations = 2 * d * d * (1 + m) + 2 * q * (d + 2) + 2 * m * q * (d + 1) + (1 + m) * 1.5 * q * q

    return {
        "d": d,
        "m": m,
        "p": p,
        "seconds": seconds,
        "operations": operations,
        "rate": operations / seconds,
    }


def probing(width: int, m: int) -> dict[str, Any]:
    r"""Seconds a sample of running a network, and of probing it with frames."""
    n = 2048
    torch.manual_seed(0)
    sizes = [64, width, width, width, 32]
    layers = [each for a, b in itertools.pairwise(sizes) for each in (torch.nn.Linear(a, b), torch.nn.Tanh())]
    network = torch.nn.Sequential(*layers)
    inputs = torch.randn(n, 64)
    tangents = torch.linalg.qr(torch.randn(64, m))[0].expand(n, 64, m)

    with torch.no_grad():
        run = best_of_three(lambda: network(inputs)) / n

    probe = best_of_three(lambda: equiv.probe(network, inputs, frames=tangents, batch_size=n // 4)) / n
    operations = 2 * sum(a * b for a, b in itertools.pairwise(sizes))

    return {
        "width": width,
        "m": m,
        "run": run,
        "probe": probe,
        "ratio": probe / run,
        "rate": operations / run,
    }


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    r"""The figures in Markdown."""
    lines = [
        "# What a sample costs",
        "",
        "`python benchmarks/scaling.py`, one thread, single precision, processor time, best of three. Sums: d neurons,",
        "m directions, p Gaussians, all resolved, by `GaussianBasis.sums`. Probing: a perceptron with three hidden",
        "layers of that width, 32 outputs observed, frames along m tangents by `equiv.probe`.",
        "",
        "| d | m | p | microseconds a sample | Mflop a sample | Gflop/s |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['d']} | {row['m']} | {row['p']} | {1e6 * row['seconds']:.3g} | {row['operations'] / 1e6:.3g} | "
        f"{row['rate'] / 1e9:.0f} |"
        for row in found["sums"]
    ]
    lines += [
        "",
        "| width | m | run, microseconds a sample | probe | times | Gflop/s of the run |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['width']} | {row['m']} | {1e6 * row['run']:.3g} | {1e6 * row['probe']:.3g} | {row['ratio']:.1f} | "
        f"{row['rate'] / 1e9:.0f} |"
        for row in found["probing"]
    ]

    return "\n".join([*lines, ""])


def main() -> None:
    torch.set_num_threads(1)
    found = {"sums": [sums(*row) for row in SUMS], "probing": [probing(*row) for row in PROBES]}
    (RESULTS / "scaling.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "scaling.md").write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()

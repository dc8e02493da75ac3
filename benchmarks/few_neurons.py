r"""Everything from few neurons: scalar-output networks of two inputs with two hidden layers of 32.

    python benchmarks/few_neurons.py run --networks 10 --seconds 150
    python benchmarks/few_neurons.py report

From k = 1 to 10 neurons of the second hidden layer, random and chosen, reconstruct all other hidden
activations and both inputs, from values alone. `run` takes up where the results on disk end; `report` writes
`benchmarks/results/few_neurons.md` and the figure `docs/figures/few_neurons.png`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import equiv

RESULTS = Path(__file__).parent / "results" / "few_neurons.jsonl"
FIGURE = Path(__file__).parent.parent / "docs" / "figures" / "few_neurons.png"
KINDS = ("chosen", "random")


def network(seed: int) -> nn.Sequential:
    r"""Weights from N(0, 1.5^2 / fan-in), biases from N(0, 1/4): clearly nonlinear in [-1, 1]^2."""
    generator = torch.Generator().manual_seed(seed)
    built = nn.Sequential(
        nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
    ).double()

    for parameter in built.parameters():
        scale = 1.5 / math.sqrt(parameter.shape[1]) if parameter.ndim == 2 else 0.5
        parameter.data = scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)

    return built


def inputs(n: int, seed: int) -> Tensor:
    return 2 * torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


@torch.no_grad()
def everything(built: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
    r"""The second layer, and all that is to be reconstructed from it."""
    first, second = built[:2](x), built[:4](x)

    return second, torch.cat([x, first, second], dim=1)


def measured(seed: int, samples: int, kind: str) -> list[dict[str, Any]]:
    built, x, fresh = network(seed), inputs(samples, seed), inputs(20_000, 10**6)
    second, target = everything(built, x)
    second_fresh, target_fresh = everything(built, fresh)
    spread = (target_fresh - target_fresh.mean(dim=0)).square().sum()
    order = torch.randperm(32, generator=torch.Generator().manual_seed(seed))

    if kind == "chosen":
        order = equiv.select_neurons(equiv.probe(built, x, layers=["3"]), 10)

    records = []

    for k in range(1, 11):
        found = equiv.reconstruct(second[:, order[:k]], target)
        missed = found.predict(second_fresh[:, order[:k]]) - target_fresh
        record = {"seed": seed, "samples": samples, "kind": kind, "neurons": k}
        record |= {"bounds": list(found.error), "error": (missed.square().sum() / spread).sqrt().item()}
        records.append(record)

    return records


def report(records: list[dict[str, Any]]) -> None:
    r"""Prints the table, and writes it beside the records and as a figure."""
    networks = len({r["seed"] for r in records})
    kinds = [kind for kind in KINDS if any(r["kind"] == kind for r in records)]
    lines = [
        "# Everything from few neurons",
        "",
        f"{networks} random networks R^2 -> 32 -> 32 -> 1 (tanh), {records[0]['samples']} samples. From k neurons of",
        "the *second* hidden layer: both inputs and all 64 hidden activations; RMS error on 20,000 fresh inputs over",
        "the RMS spread, in percent: median (largest) over the networks. Mark: 1 at 2m + 1 = 5 neurons.",
        "",
        f"| neurons | {' | '.join(kinds)} |",
        "|---|" + "---|" * len(kinds),
    ]

    for k in range(1, 11):
        cells = []

        for kind in kinds:
            errors = [100 * r["error"] for r in records if r["neurons"] == k and r["kind"] == kind]
            cells.append(f"{statistics.median(errors):.2g} ({max(errors):.2g})")

        lines.append(f"| {k} | {' | '.join(cells)} |")

    hits = [r["bounds"][1] <= r["error"] <= r["bounds"][2] for r in records]
    lines += ["", f"Bounds at 95 % cover the error in {sum(hits)} of {len(hits)}.", ""]
    print("\n".join(lines))
    RESULTS.with_suffix(".md").write_text("\n".join(lines))
    draw(records, kinds)


def draw(records: list[dict[str, Any]], kinds: list[str]) -> None:
    r"""Error against the number of neurons: every network a line, their median a thick one."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    size = (4.25 * len(kinds), 3.6)
    figure, grid = plt.subplots(1, len(kinds), figsize=size, sharey=True, squeeze=False, layout="constrained")
    axes = grid[0]
    counts = range(1, 11)

    for axis, kind, color in zip(axes, kinds, ("#0072b2", "#d55e00"), strict=False):
        by_network = [
            [
                r["error"]
                for k in counts
                for r in records
                if (r["seed"], r["neurons"], r["kind"]) == (seed, k, kind)
            ]
            for seed in sorted({r["seed"] for r in records})
        ]

        for errors in by_network:
            axis.semilogy(counts, [100 * e for e in errors], color=color, alpha=0.3, linewidth=1)

        median = [100 * statistics.median(errors) for errors in zip(*by_network, strict=True)]
        axis.semilogy(counts, median, color=color, linewidth=2.5, marker="o")
        axis.axhline(1, color="0.5", linewidth=0.8, linestyle="--")
        axis.axvspan(2, 5, color="0.93", zorder=0)
        axis.text(3.5, 1.5e2, "m to 2m + 1", ha="center", color="0.35", fontsize=9)
        axis.set(
            title=f"{kind} neurons", xlabel="neurons of the second layer", xticks=counts, ylim=(2e-4, 3e2)
        )

    axes[0].set_ylabel("error of everything else (%)")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    records = [json.loads(text) for text in lines]

    if options.action == "report":
        report(records)
        return

    start, known = time.monotonic(), {(r["seed"], r["kind"]) for r in records}

    for seed, kind in itertools.product(range(options.networks), KINDS):
        if (seed, kind) not in known and time.monotonic() - start < options.seconds:
            with options.results.open("a") as file:
                found = measured(seed, options.samples, kind)
                file.writelines(json.dumps(record) + "\n" for record in found)

            print(f"network {seed}, {kind}", flush=True)


if __name__ == "__main__":
    main()

r"""Everything from few neurons: scalar-output networks of two inputs with two hidden layers of 32.

    python benchmarks/few_neurons.py run --networks 10 --seconds 150
    python benchmarks/few_neurons.py report

From k = 1 to 10 neurons of the second hidden layer, random and chosen, reconstruct all other hidden
activations and both inputs, from values alone. `run` takes up where the results on disk end.
"""

from __future__ import annotations

import argparse
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


def measured(seed: int, samples: int) -> list[dict[str, Any]]:
    built, x, fresh = network(seed), inputs(samples, seed), inputs(20_000, 10**6)
    second, target = everything(built, x)
    second_fresh, target_fresh = everything(built, fresh)
    spread = (target_fresh - target_fresh.mean(dim=0)).square().sum()
    ranked = equiv.select_neurons(equiv.probe(built, x, layers=["3"]), 10)
    random = torch.randperm(32, generator=torch.Generator().manual_seed(seed))[:10]
    records = []

    for kind, order in (("chosen", ranked), ("random", random)):
        for k in range(1, 11):
            found = equiv.reconstruct(second[:, order[:k]], target)
            missed = found.predict(second_fresh[:, order[:k]]) - target_fresh
            record = {"seed": seed, "samples": samples, "kind": kind, "neurons": k}
            record |= {"bounds": list(found.error), "error": (missed.square().sum() / spread).sqrt().item()}
            records.append(record)

    return records


def report(records: list[dict[str, Any]]) -> None:
    print("RMS error over spread in percent, median (largest) over networks; 2m + 1 = 5")
    print(f"{'neurons':>8} {'chosen':>24} {'random':>24}")

    for k in range(1, 11):
        cells = []

        for kind in ("chosen", "random"):
            errors = [100 * r["error"] for r in records if r["neurons"] == k and r["kind"] == kind]
            cells.append(f"{statistics.median(errors):.3g} ({max(errors):.3g})")

        print(f"{k:>8} {cells[0]:>24} {cells[1]:>24}")

    hits = [r["bounds"][1] <= r["error"] <= r["bounds"][2] for r in records]
    print(f"bounds cover {100 * sum(hits) / len(hits):.0f} % of {len(hits)}")


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

    start, known = time.monotonic(), {r["seed"] for r in records}

    for seed in range(options.networks):
        if seed not in known and time.monotonic() - start < options.seconds:
            with options.results.open("a") as file:
                file.writelines(json.dumps(record) + "\n" for record in measured(seed, options.samples))

            print(f"network {seed}", flush=True)


if __name__ == "__main__":
    main()

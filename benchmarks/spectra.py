r"""Spectra of Galerkin maps and diffusion maps beside the exact ones, through random embeddings.

    python benchmarks/spectra.py                    # minutes; results are kept by input space
    python benchmarks/spectra.py --domains torus    # one of them

Worst relative error of the first six nontrivial eigenvalues, of interval, rectangle, circle and torus seen
through random networks into R^d with exact frames: 4,096 low-discrepancy samples, and 16,384 random ones
without and with density weights. `sampling` is what the exact eigenfunctions themselves give on those random
samples (their Rayleigh-Ritz values). Writes `benchmarks/results/spectra.md` and `spectra.json`.
"""

import argparse
import itertools
import json
import math
import sys
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
sys.path[:0] = [str(ROOT / "tests")]

import torch  # noqa: E402
from manifolds import DOMAINS, observe  # noqa: E402
from torch import Tensor  # noqa: E402

from equiv import DiffusionMaps, GalerkinMaps  # noqa: E402
from equiv.density import density_weights  # noqa: E402
from equiv.rayleigh_ritz import ritz  # noqa: E402

OUTPUTS = {"interval": (3, 8, 64), "rectangle": (5, 16, 64), "circle": (3, 8, 64), "torus": (6, 16, 64)}


def waves(domain: str) -> list[tuple[float, tuple[int, ...]]]:
    r"""Eigenvalues with their wave numbers (negative: sines), ascending, the trivial one first."""
    space = DOMAINS[domain]
    turns = 2 if space.periods else 1
    counts = range(-6, 7) if space.periods else range(7)
    found = [
        (sum((turns * math.pi * j / high) ** 2 for j, high in zip(index, space.high, strict=True)), index)
        for index in itertools.product(counts, repeat=space.dimension)
    ]

    return sorted(found)


def exact(domain: str) -> Tensor:
    return torch.tensor([rate for rate, _ in waves(domain)[1:7]], dtype=torch.float64)


def worst(eigenvalues: Tensor, domain: str) -> float:
    return (eigenvalues[1:7] / exact(domain) - 1).abs().max().item()


def sampling_error(domain: str, x: Tensor) -> float:
    r"""Rayleigh-Ritz in the span of the exact eigenfunctions, on these samples."""
    space = DOMAINS[domain]
    x = x.clone().requires_grad_()
    turns = 2 if space.periods else 1
    functions = []
    for _, index in waves(domain)[:7]:
        factors = [
            torch.cos(w) if j >= 0 else torch.sin(w)
            for j, w in ((j, turns * math.pi * j * x[:, a] / space.high[a]) for a, j in enumerate(index))
        ]
        functions.append(math.prod(factors) + 0 * x[:, 0])
    slopes = torch.stack([torch.autograd.grad(f.sum(), x, retain_graph=True)[0] for f in functions], dim=1)
    values = torch.stack(functions, dim=1).detach()
    sums = torch.stack([values.T @ values, torch.einsum("npa,nqa->pq", slopes, slopes)])

    return worst(ritz(sums, 6).eigenvalues, domain)


def low_discrepancy(domains: list[str], seeds: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for domain in domains:
        found[domain] = []
        for d in OUTPUTS[domain]:
            errors, others = [], []
            for seed in range(seeds):
                obs = observe(
                    DOMAINS[domain], DOMAINS[domain].sample(4096, seed, "low_discrepancy"), d, seed + 10
                )
                errors.append(worst(GalerkinMaps().fit(obs).eigenvalues_, domain))
                if seed == 0:
                    others.append(worst(DiffusionMaps().fit(obs).eigenvalues_, domain))
            found[domain].append({"d": d, "galerkin": errors, "diffusion_maps": others})
            print(domain, found[domain][-1], flush=True)

    return found


def random_samples(domains: list[str], seeds: int) -> dict[str, dict[str, Any]]:
    found = {}
    for domain in domains:
        d = OUTPUTS[domain][1]
        row: dict[str, Any] = {"d": d, "plain": [], "weighted": [], "sampling": []}
        for seed in range(seeds):
            x = DOMAINS[domain].sample(16384, seed)
            obs = observe(DOMAINS[domain], x, d, seed + 10)
            row["sampling"].append(sampling_error(domain, x))
            row["plain"].append(worst(GalerkinMaps().fit(obs).eigenvalues_, domain))
            weights = density_weights(obs)
            row["weighted"].append(worst(GalerkinMaps().fit(obs, weights).eigenvalues_, domain))
        found[domain] = row
        print(domain, row, flush=True)

    return found


def table(even: dict[str, list[dict[str, Any]]], uneven: dict[str, dict[str, Any]]) -> str:
    lines = [
        "# Spectra through random embeddings",
        "",
        "Worst relative error of the first six nontrivial eigenvalues. Mark: 0.5 %.",
        "",
        f"## 4,096 low-discrepancy samples ({len(even['circle'][0]['galerkin'])} embeddings each)",
        "",
        "| input space | into R^d | Galerkin: median | worst | diffusion maps (first embedding) |",
        "|---|---|---|---|---|",
    ]
    for domain, row in ((name, row) for name in OUTPUTS for row in even[name]):
        e = row["galerkin"]
        lines.append(
            f"| {domain} | {row['d']} | {median(e):.3%} | {max(e):.3%} | {row['diffusion_maps'][0]:.2%} |"
        )
    lines += [
        "",
        f"## 16,384 random samples, medians over {len(uneven['circle']['plain'])} seeds (mark: 2.5 %)",
        "",
        "| input space | into R^d | exact eigenfunctions | Galerkin | with density weights |",
        "|---|---|---|---|---|",
    ]
    for domain in OUTPUTS:
        row = uneven[domain]
        lines.append(
            f"| {domain} | {row['d']} | {median(row['sampling']):.2%} | {median(row['plain']):.2%} | "
            f"{median(row['weighted']):.2%} |"
        )

    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one embedding and two seeds")
    parser.add_argument("--domains", nargs="+", choices=list(OUTPUTS), default=list(OUTPUTS))
    parser.add_argument("--part", choices=["even", "uneven"], help="only low discrepancy, or only random")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stored = RESULTS / "spectra.json"
    results = json.loads(stored.read_text()) if stored.exists() else {"even": {}, "uneven": {}}

    if arguments.part != "uneven":
        results["even"] |= low_discrepancy(arguments.domains, 1 if arguments.quick else 4)
    if arguments.part != "even":
        results["uneven"] |= random_samples(arguments.domains, 2 if arguments.quick else 10)

    RESULTS.mkdir(exist_ok=True)
    stored.write_text(json.dumps(results, indent=1) + "\n")
    if all(results[part].keys() == OUTPUTS.keys() for part in results):
        text = table(results["even"], results["uneven"])
        (RESULTS / "spectra.md").write_text(text)
        print(text)


if __name__ == "__main__":
    main()

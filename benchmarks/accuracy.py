r"""Accuracy of all coordinates against closed forms, through random embeddings, and its order in the samples.

    python benchmarks/accuracy.py                    # half an hour; results are kept by part and input space
    python benchmarks/accuracy.py --domains torus    # one of them
    python benchmarks/accuracy.py --part order       # one part

Worst relative error of the first six nontrivial eigenvalues, of interval, rectangle, circle and torus seen
through random networks into R^d with exact frames: 4,096 low-discrepancy samples, and 16,384 random ones
without and with density weights. `sampling` is what the exact eigenfunctions themselves give on those random
samples (their Rayleigh-Ritz values). Then errors from 256 samples to 4,096, with the order fitted: spectra of
rectangle and circle, and coordinates of the square, isometric ones, over the spread after the best rigid motion.
Last, the error of the squared distance of two inputs against their distance, of which theory says order four.
Writes `benchmarks/results/accuracy.md` and `accuracy.json`.
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

# Below the line that lets `manifolds` be found.
import torch  # noqa: E402
from manifolds import DOMAINS, RandomEmbedding, observe, rigid_error  # noqa: E402
from torch import Tensor  # noqa: E402

from equiv import DiffusionMaps, GalerkinMaps, IsometricMaps, Observations, mahalanobis  # noqa: E402
from equiv.spectral.density import density_weights  # noqa: E402
from equiv.spectral.rayleigh_ritz import ritz  # noqa: E402

SIZES = (256, 512, 1024, 2048, 4096)
LENGTHS = (0.08, 0.04, 0.02, 0.01, 0.005)
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


def order(seeds: int) -> list[dict[str, Any]]:
    r"""Median errors at growing numbers of samples, and minus the slope of their logarithms."""
    methods = {"galerkin": GalerkinMaps, "diffusion_maps": DiffusionMaps}
    found = []
    for space, kind, method in [
        *itertools.product(["rectangle", "circle"], ["low_discrepancy", "random"], methods),
        ("square", "random", "isometric"),
    ]:
        errors = []
        for n in SIZES:
            some = []
            for seed in range(seeds):
                x = DOMAINS[space].sample(n, seed, kind)
                obs = observe(DOMAINS[space], x, 6, seed + 10)
                if method == "isometric":
                    some.append(rigid_error(IsometricMaps().fit(obs).coordinates_, x))
                else:
                    some.append(worst(methods[method]().fit(obs).eigenvalues_, space))
            errors.append(median(some))
        logs = torch.tensor([SIZES, errors], dtype=torch.float64).log()
        logs = logs - logs.mean(dim=1, keepdim=True)
        slope = -float(logs.prod(dim=0).sum() / logs[0].square().sum())
        found.append({"space": space, "kind": kind, "method": method, "errors": errors, "order": slope})
        print(found[-1], flush=True)

    return found


def metric(seeds: int) -> list[dict[str, Any]]:
    r"""Median over 2,000 pairs of |d2 - h^2| / h^2 at distance h, through networks R^m -> R^d, and the order of d2."""
    found = []
    for m, d in ((1, 3), (2, 6), (3, 16), (6, 64)):
        errors = []
        for h in LENGTHS:
            some = []
            for seed in range(seeds):
                network = RandomEmbedding(m, d, seed + 10)
                generator = torch.Generator().manual_seed(seed)
                centre, way = torch.randn(2, 2000, m, dtype=torch.float64, generator=generator)
                step = 0.5 * h * torch.nn.functional.normalize(way, dim=1)
                a, b = (Observations(network(x), network.jacobian(x)) for x in (centre - step, centre + step))
                pairs = [
                    mahalanobis(a.subset(k), b.subset(k)).diagonal() for k in torch.arange(2000).split(200)
                ]
                some.append((torch.cat(pairs) - h**2).abs().median().item() / h**2)
            errors.append(median(some))
        logs = torch.tensor([LENGTHS, errors], dtype=torch.float64).log()
        logs = logs - logs.mean(dim=1, keepdim=True)
        slope = 2 + float(logs.prod(dim=0).sum() / logs[0].square().sum())
        found.append({"m": m, "d": d, "errors": errors, "order": slope})
        print(found[-1], flush=True)

    return found


def spread(errors: list[float]) -> str:
    return f"{median(errors):.2%} ({min(errors):.2%} to {max(errors):.2%})"


def table(
    even: dict[str, list[dict[str, Any]]],
    uneven: dict[str, dict[str, Any]],
    orders: list[dict[str, Any]],
    distances: list[dict[str, Any]],
) -> str:
    lines = [
        "# Accuracy through random embeddings",
        "",
        "By `benchmarks/accuracy.py`.",
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
        f"## 16,384 random samples, median (least to greatest) over {len(uneven['circle']['plain'])} seeds",
        "",
        "Mark: 2.5 % for the median. Exact eigenfunctions err by the sampling noise alone.",
        "",
        "| input space | into R^d | exact eigenfunctions | Galerkin | with density weights |",
        "|---|---|---|---|---|",
    ]
    for domain in OUTPUTS:
        row = uneven[domain]
        lines.append(
            f"| {domain} | {row['d']} | {spread(row['sampling'])} | {spread(row['plain'])} | "
            f"{spread(row['weighted'])} |"
        )
    lines += [
        "",
        "## Order of convergence in the number of samples n: the error falls like n to the minus order",
        "",
        "| input space | samples | method | " + " | ".join(f"{n:,}" for n in SIZES) + " | order |",
        "|---|---|---|" + "---|" * (len(SIZES) + 1),
    ]
    for row in orders:
        errors = " | ".join(f"{error:.2g}" for error in row["errors"])
        kind, method = row["kind"].replace("_", " "), row["method"].replace("_", " ")
        lines.append(f"| {row['space']} | {kind} | {method} | {errors} | {row['order']:.2f} |")
    lines += [
        "",
        "## Squared distances of two inputs a distance h apart: median error over h^2",
        "",
        "Mark: the error of d2 falls like h to the power 4, within 0.5.",
        "",
        "| from R^m | into R^d | " + " | ".join(f"h = {h:g}" for h in LENGTHS) + " | order of d2 |",
        "|---|---|" + "---|" * (len(LENGTHS) + 1),
    ]
    for row in distances:
        errors = " | ".join(f"{error:.2g}" for error in row["errors"])
        lines.append(f"| {row['m']} | {row['d']} | {errors} | {row['order']:.2f} |")

    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one embedding and two seeds")
    parser.add_argument("--domains", nargs="+", choices=list(OUTPUTS), default=list(OUTPUTS))
    parser.add_argument("--part", choices=["even", "uneven", "order", "metric"], help="only this part")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stored = RESULTS / "accuracy.json"
    fresh: dict[str, Any] = {}

    if arguments.part in (None, "even"):
        fresh["even"] = low_discrepancy(arguments.domains, 1 if arguments.quick else 4)
    if arguments.part in (None, "uneven"):
        fresh["uneven"] = random_samples(arguments.domains, 2 if arguments.quick else 10)
    if arguments.part in (None, "order"):
        fresh["order"] = order(1 if arguments.quick else 5)
    if arguments.part in (None, "metric"):
        fresh["metric"] = metric(1 if arguments.quick else 5)

    results: dict[str, Any] = {"even": {}, "uneven": {}, "order": [], "metric": []}
    results |= json.loads(stored.read_text()) if stored.exists() else {}
    for part, found in fresh.items():
        results[part] = results[part] | found if isinstance(found, dict) else found

    RESULTS.mkdir(exist_ok=True)
    stored.write_text(json.dumps(results, indent=1) + "\n")
    if (
        results["order"]
        and results["metric"]
        and all(results[part].keys() == OUTPUTS.keys() for part in ("even", "uneven"))
    ):
        text = table(results["even"], results["uneven"], results["order"], results["metric"])
        stored.with_suffix(".md").write_text(text)
        print(text)


if __name__ == "__main__":
    main()

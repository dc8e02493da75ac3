r"""Fingerprints of what `equiv` computes: whether a change of the code changed a number.

    python benchmarks/fingerprints.py            # which of results/fingerprints.json differ, and by how much
    python benchmarks/fingerprints.py --write    # the new ones

Seeded comparisons of every kind, each hashed twice: *words*, its `to_dict()` with nine digits, and *maps*, the
bytes of the coordinates and of what the transformation makes of a few activations, both ways. One thread; other
machines round otherwise, so that hashes are compared on one. A pair stands here only if six runs of it agreed to the
bit. Only public names are called: the same file judges older versions.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from families import draw, observe
from geometries import draw_geometry
from torch import Tensor, nn

import equiv
from equiv import baselines

RECORD = Path(__file__).parent / "results" / "fingerprints.json"


def digest(tensors: list[Tensor]) -> str:
    bytes_of = (t.detach().contiguous().double().numpy().tobytes() for t in tensors)

    return hashlib.sha256(b"".join(bytes_of)).hexdigest()[:16]


def rounded(words: Any) -> Any:
    r"""Numbers with nine digits: those of sparse eigensolvers differ in the last ones from run to run."""
    if isinstance(words, dict):
        return {str(name): rounded(value) for name, value in words.items()}

    if isinstance(words, list | tuple):
        return [rounded(value) for value in words]

    return f"{words:.9g}" if isinstance(words, float) else str(words)


def said(result: equiv.Comparison) -> tuple[dict[str, Any], list[Tensor]]:
    r"""The dictionary and the tensors of a comparison."""
    return result.to_dict(), [result.coordinates_a, result.coordinates_b]


def mapped(result: equiv.Comparison, a: Tensor, b: Tensor) -> tuple[dict[str, Any], list[Tensor]]:
    r"""Likewise, with what the maps of it make of activations."""
    words, tensors = said(result)

    for transformation, values in ((result.transformation, a), (result.transformation.inverse, b)):
        try:
            tensors.append(transformation(values[:50]))
        except ValueError as refused:
            words = words | {f"refused_{len(words)}": str(refused)}

    return words, tensors


def paired(family: str, n: int, frames: bool = True) -> Callable[[], Any]:
    def compute() -> Any:
        pair = draw(family, 5)
        inputs = pair.sample(n, torch.Generator().manual_seed(7))
        (a, frames_a), (b, frames_b) = observe(pair.a, inputs), observe(pair.b, inputs)
        sides = (
            equiv.Observations(a, frames_a if frames else None),
            equiv.Observations(b, frames_b if frames else None),
        )

        return mapped(equiv.compare(*sides, paired=True), a, b)

    return compute


def unpaired(family: str, seed: int, n: int, method: str = "auto") -> Callable[[], Any]:
    def compute() -> Any:
        a, b, anchors = draw_geometry(family, seed).observed(n, torch.Generator().manual_seed(seed))

        return mapped(equiv.compare(a, b, paired=False, anchors=anchors, method=method), a.values, b.values)

    return compute


def mlp(widths: list[int], seed: int, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [layer for i, o in itertools.pairwise(widths) for layer in (nn.Linear(i, o), activation())]

    return nn.Sequential(*layers).double()


def uniform(n: int, m: int, seed: int) -> Tensor:
    return torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sphere(n: int, method: str) -> Callable[[], Any]:
    def compute() -> Any:
        a, b = mlp([3, 24, 7], 1), mlp([3, 24, 8], 2)
        sides = []
        for seed in (3, 4):
            x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            x = torch.cat([nn.functional.normalize(x), torch.eye(3, dtype=torch.float64)])
            across = nn.functional.normalize(torch.linalg.cross(x, torch.ones(3).double().expand_as(x)))
            tangents = torch.stack([across, torch.linalg.cross(x, across)], dim=2)
            sides.append((x, {"frames": tangents}))
        anchors = torch.stack([n + torch.arange(3)] * 2, dim=1)
        result = equiv.compare(
            a, b, sides[0][0], sides[1][0], frames_a=sides[0][1], frames_b=sides[1][1],
            anchors=anchors, method=method,
        )  # fmt: skip

        return mapped(result, a(sides[0][0]), b(sides[1][0]))

    return compute


def circle(n: int, anchors: int) -> Callable[[], Any]:
    def compute() -> Any:
        sides = []
        known = 2 * math.pi * uniform(anchors, 1, 9)
        for seed in (1, 2):
            angle = torch.cat([2 * math.pi * uniform(n, 1, seed), known])
            x = torch.cat([angle.cos(), angle.sin()], dim=1).requires_grad_()
            tangent = torch.cat([-angle.sin(), angle.cos()], dim=1)[:, :, None]
            network = mlp([2, 16, 5], seed + 10)
            sides.append(equiv.probe(network, x.detach(), frames=tangent))
        pairs = torch.stack([n + torch.arange(anchors)] * 2, dim=1) if anchors else None
        result = equiv.compare(*sides, paired=False, anchors=pairs)

        return mapped(result, sides[0].values, sides[1].values)

    return compute


def bursts() -> Any:
    def near(x: Tensor) -> Tensor:
        noise = torch.randn(x.shape[0], 40, 2, generator=torch.Generator().manual_seed(1))

        return x[:, None] + 0.01 * noise.double()

    a, b = mlp([2, 16, 6], 1), mlp([2, 16, 6], 2)
    frames = {"frames": near, "burst_std": 0.01, "dimension": 2}
    x = uniform(250, 2, 3)
    result = equiv.compare(a, b, x, frames_a=frames, frames_b=frames)

    return mapped(result, a(x), b(x))


def networks() -> Any:
    a, b, x = mlp([2, 16, 6], 1, nn.ReLU), mlp([2, 20, 12], 2, nn.GELU), uniform(300, 2, 3)
    result = equiv.compare(a, b, x, layers_a=["1"], layers_b=["1", "3"])

    return mapped(result, a[:2](x), torch.cat([b[:2](x), b(x)], dim=1))


def neighbors() -> Any:
    a, x = mlp([2, 16, 6], 1), uniform(300, 2, 3)
    observed = equiv.probe(a, x, frames="neighbors", dimension=2)

    return {"rank": observed.rank.tolist()}, [observed.values, observed.frames @ observed.frames.mT]


def classes() -> Any:
    x = uniform(150, 2, 3)
    nets = [mlp([2, 16, 6], 1), mlp([2, 16, 7], 2), mlp([2, 16, 1], 3), mlp([2, 16, 6], 4)]
    found = equiv.equivalence_classes(nets, x)
    words = {"labels": found.labels.tolist(), "determines": found.determines.tolist()}

    return words, []


def few_neurons() -> Any:
    network, x = mlp([2, 24, 24, 1], 5), uniform(400, 2, 6)
    observed = equiv.probe(network, x, layers=["1", "3"])
    chosen = equiv.select_neurons(observed)
    few = observed.values[:, chosen]
    found = equiv.reconstruct(few, network(x).detach())
    ranked = equiv.select_neurons(observed, n=3)

    return {"chosen": chosen.tolist(), "ranked": ranked.tolist(), "error": list(found.error)}, [
        found.predict(few[:20])
    ]


def maps(kind: str) -> Callable[[], Any]:
    def compute() -> Any:
        network, x = mlp([2, 24, 8], 5), uniform(1000, 2, 6)
        observed, fresh = equiv.probe(network, x), equiv.probe(network, uniform(20, 2, 7))
        if kind == "isometric":
            fitted = equiv.IsometricMaps().fit(observed)
        elif kind == "galerkin":
            fitted = equiv.GalerkinMaps(n_coordinates=5, n_basis=100).fit(observed)
        else:
            fitted = equiv.DiffusionMaps(n_coordinates=5).fit(observed)

        return {}, [fitted.coordinates_, fitted.transform(fresh.values, fresh.frames)]

    return compute


def weights() -> Any:
    observed = equiv.probe(mlp([1, 24, 8], 5), uniform(400, 1, 6))

    return {}, [equiv.density_weights(observed)]


def measures() -> Any:
    x = uniform(200, 3, 1)
    a, b = mlp([3, 16, 9], 1)(x).detach(), mlp([3, 16, 12], 2)(x).detach()
    names = ("linear_cka", "rbf_cka", "svcca", "pwcca", "procrustes", "rsa", "mutual_knn")

    return {name: getattr(baselines, name)(a, b) for name in names}, []


CASES: dict[str, Callable[[], Any]] = {
    **{
        f"paired {family}": paired(family, 150)
        for family in (
            "diffeomorphism", "embedding", "projection", "fold", "double_cover", "squaring", "swirl",
            "rescaled", "bottleneck", "leak", "output", "unrelated",
        )
    },
    "paired embedding, values": paired("embedding", 200, frames=False),
    "paired fold, values": paired("fold", 200, frames=False),
    **{
        f"unpaired {family} {seed}": unpaired(family, seed, 200)
        for family, seed in (
            ("same", 0), ("same", 1), ("same", 3), ("same", 4), ("same", 6), ("density", 1), ("density", 6),
            ("stretched", 1), ("stretched", 3), ("warped", 0), ("warped", 1), ("lost_dimension", 4),
            ("lost_dimension", 7), ("topology", 1), ("topology", 3), ("topology", 4),
        )
    },
    "unpaired same, galerkin": unpaired("same", 3, 300, "galerkin"),
    "unpaired same, diffusion maps": unpaired("same", 3, 300, "diffusion_maps"),
    "unpaired sphere": sphere(500, "galerkin"),
    "unpaired circle": circle(200, 3),
    "paired bursts": bursts,
    "networks by layers": networks,
    "neighbors": neighbors,
    "classes": classes,
    "few neurons": few_neurons,
    "isometric maps": maps("isometric"),
    "galerkin maps": maps("galerkin"),
    "diffusion maps": maps("diffusion"),
    "density weights": weights,
    "measures": measures,
}  # fmt: skip


def fingerprints(names: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for name in names:
        start = time.perf_counter()
        words, tensors = CASES[name]()
        text = json.dumps(rounded(words), sort_keys=True)
        found = {
            "words": hashlib.sha256(text.encode()).hexdigest()[:16],
            "maps": digest(tensors),
            "verdict": str(words.get("verdict", "")),
        }
        print(f"{name:32} {time.perf_counter() - start:6.1f} s  {found['verdict']}", flush=True)

        yield name, found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--record", type=Path, default=RECORD)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [name for name in CASES if options.only in name]
    found = dict(fingerprints(names))

    if options.write:
        options.record.write_text(json.dumps(found, indent=1) + "\n")

        return

    known = json.loads(options.record.read_text())
    changed = {
        name: [kind for kind in ("words", "maps") if each[kind] != known.get(name, {}).get(kind)]
        for name, each in found.items()
    }
    for name, kinds in changed.items():
        if kinds:
            print(f"changed: {name} ({', '.join(kinds)})")
    print(f"{sum(not kinds for kinds in changed.values())} of {len(found)} are as they were")


if __name__ == "__main__":
    main()

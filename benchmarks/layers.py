r"""For each layer of a network, find the same layer in another network of the same architecture.

    python benchmarks/layers.py --seconds 400     # goes on where benchmarks/results/layers.jsonl ends

Ten ReLU networks (64 inputs, six hidden layers of 64, ten outputs) trained from different seeds on the digits of
scikit-learn; each is compared with the next two, layer by layer, at the digits that no network was trained on. The
layer found is the one that `equiv.compare_layers` matches, seen from both networks; beside it that with the largest
similarity by the usual measures, and with the smallest larger error of the two directions. The digits are pictures
without known coordinates, so that nothing gives frames of their space: values alone are compared. Kornblith et al.
2019, table 2, is the model.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import equiv
from equiv import baselines

RESULTS = Path(__file__).parent / "results"
NETWORKS, HIDDEN, WIDTH = 10, 6, 64
TRAINED = 1297  # digits, the other 500 are compared
PEERS = ("linear_cka", "rbf_cka", "svcca", "pwcca", "procrustes", "rsa", "mutual_knn")


def digits() -> tuple[Tensor, Tensor]:
    pictures, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))

    return torch.from_numpy(pictures).float()[order] / 16, torch.from_numpy(labels).long()[order]


def trained(seed: int, pictures: Tensor, labels: Tensor) -> tuple[nn.Sequential, float]:
    r"""A network and its accuracy on digits that it was not trained on."""
    generator = torch.Generator().manual_seed(seed)
    widths = [pictures.shape[1], *[WIDTH] * HIDDEN]
    layers: list[nn.Module] = []

    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]

    network = nn.Sequential(*layers, nn.Linear(WIDTH, 10))

    for module in network:
        if isinstance(module, nn.Linear):
            scale = (2 / module.in_features) ** 0.5
            module.weight.data = scale * torch.randn(module.weight.shape, generator=generator)
            module.bias.data.zero_()

    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)

    for _ in range(400):
        batch = torch.randint(TRAINED, (128,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(pictures[batch]), labels[batch]).backward()
        optimiser.step()

    with torch.no_grad():
        right = network(pictures[TRAINED:]).argmax(dim=1) == labels[TRAINED:]

    return network, right.double().mean().item()


def layers_of(network: nn.Sequential, pictures: Tensor) -> list[Tensor]:
    r"""Activations of the hidden layers and of the output."""
    found, values = [], pictures

    with torch.no_grad():
        for module in network:
            values = module(values)
            if isinstance(module, nn.ReLU):
                found.append(values)

    return [*found, values]


def compared(first: list[Tensor], second: list[Tensor]) -> dict[str, list[list[float]]]:
    r"""Scores of all pairs of layers by every measure."""
    scores: dict[str, list[list[float]]] = {}

    for name in PEERS:
        measure = getattr(baselines, name)
        scores[name] = [[measure(a, b) for b in second] for a in first]

    sides = [{str(k): values for k, values in enumerate(layers)} for layers in (first, second)]
    matrix = equiv.compare_layers(*sides)
    scores["larger_error"] = (-torch.maximum(matrix.a_to_b, matrix.b_to_a)).tolist()
    place = {name: k for k, name in enumerate(matrix.layers_b)}
    table = torch.zeros_like(matrix.a_to_b)

    for i, found in enumerate(matrix.matches):
        if found is not None:
            table[i, place[found.layer]] = 1

    scores["equiv"] = table.tolist()

    return scores


def share_found(matrices: list[list[list[float]]]) -> float:
    r"""Share of layers whose best match, by rows and by columns, is the same layer."""
    hits = []

    for matrix in matrices:
        table = torch.tensor(matrix)
        # A layer with which nothing is matched has a row of zeros.
        table = torch.where(table == 0, torch.nan, table)
        place = torch.arange(len(table))
        hits += [
            (side.nan_to_num(-torch.inf).argmax(dim=1) == place) & ~side.isnan().all(dim=1)
            for side in (table, table.T)
        ]

    return torch.cat(hits).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--records", type=Path, default=RESULTS / "layers.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    records = (
        [json.loads(text) for text in options.records.read_text().splitlines()]
        if options.records.exists()
        else []
    )
    known = {tuple(record["pair"]) for record in records}
    pairs = [(i, (i + step) % NETWORKS) for step in (1, 2) for i in range(NETWORKS)]
    pictures, labels = digits()
    networks = [trained(seed, pictures, labels) for seed in range(NETWORKS)]
    seen = [layers_of(network, pictures[TRAINED:]) for network, _ in networks]

    for pair in pairs:
        if pair in known or time.monotonic() - start > options.seconds:
            continue

        record = {"pair": pair, "scores": compared(*(seen[i] for i in pair))}
        records.append(record)

        with options.records.open("a") as file:
            file.write(json.dumps(record) + "\n")

        print(pair, {name: share_found([matrix]) for name, matrix in record["scores"].items()}, flush=True)

    names = ("equiv", "larger_error", *PEERS)
    shares = {name: share_found([r["scores"][name] for r in records]) for name in names}
    accuracy = sum(right for _, right in networks) / NETWORKS
    count = 2 * len(records) * (HIDDEN + 1)
    table = "\n".join(
        [
            "# The same layer in another network",
            "",
            f"{NETWORKS} networks trained on scikit-learn's digits ({accuracy:.1%} right on fresh digits), "
            f"{len(records)} pairs, {count} layers to find; chance: {1 / (HIDDEN + 1):.1%}. Values alone: nothing "
            "gives frames of the space of digits.",
            "",
            "| measure | layers found |",
            "|---|---|",
            *(f"| {name} | {share:.1%} |" for name, share in shares.items()),
        ]
    )
    print(table)
    (RESULTS / "layers.md").write_text(table + "\n")
    (RESULTS / "layers.json").write_text(
        json.dumps({"pairs": len(records), "accuracy": accuracy, "layers_found": shares}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()

r"""Measures of similarity side by side, on networks whose likeness is known by how they were made.

    python benchmarks/similarity.py run --first 0 --zoos 2 --seconds 450   # goes on where the records end
    python benchmarks/similarity.py report                # benchmarks/results/similarity.md

Zoos of networks of digits (five hidden layers of 64, last hidden layer, digits that no network was trained on), in
groups by design as in ReSi (Klabunde et al. 2024): labels shuffled for a share of the training digits, drawn for each
network anew; a bright pixel that gives the label away in a share of them; noise of a strength on the training
pictures. Within a group only the seed differs. Judged by the published definitions: *AUPRC* of "same group" by
similarity; *conformity*, the share of triples (f and f' of one group, g of another) whose f is more similar to f'
than to g. Each measure is judged pair by pair, and by *profiles*: a network described by its similarities to and
from all others, networks compared by the distance of those.

Beside the zoos: *layers* (Kornblith et al. 2019), the share of triples of layers i < j < k with i more similar to j
than to k, and k to j than to i; *deletion* (Ding et al. 2021), rank correlation of dissimilarity, as principal
components are deleted from the last, with the accuracy that a linear probe loses; *translation* (Davari et al. 2023),
one class moved by a constant, which changes nothing that can be read off; *noise*, a code of labels and noise, as
good for a head on top as the layer itself, which knows nothing else of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from digits_networks import Classifier, Digits, trained
from scipy.stats import rankdata, spearmanr
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

import equiv
from equiv import baselines

RESULTS = Path(__file__).parent / "results"
GRADES, SEEDS, SAMPLES = 5, 4, 500
HIDDEN, WIDTH = 5, 64
PEERS = ("debiased_cka", "linear_cka", "procrustes", "svcca", "rsa", "mutual_knn")
KINDS = ("labels", "shortcut", "noise")
# A class moved by so many times the layer's spread; components left when others are deleted.
SHIFTS, LEFT = (0.5, 1, 2, 4, 8), (1, 2, 4, 8, 16, 32, 48)
Measured = dict[str, list[list[float]]]


def deep() -> Classifier:
    layers: list[nn.Module] = [nn.Flatten()]

    for inputs in [64] + [WIDTH] * (HIDDEN - 1):
        layers += [nn.Linear(inputs, WIDTH), nn.ReLU()]

    return Classifier(nn.Sequential(*layers), WIDTH)


def given_away(pictures: Tensor, labels: Tensor) -> Tensor:
    r"""Pictures with one pixel of the first row, or of the next one's ends, as bright as can be: that of the label."""
    marked = pictures.flatten(1).clone()
    marked[:, :10] = 0
    marked[torch.arange(len(marked)), labels] = 1

    return marked.reshape(pictures.shape)


def zoo(kind: str, digits: Digits, seed: int) -> tuple[list[Classifier], list[int], Tensor]:
    r"""Networks, their groups, and the pictures that they are compared at."""
    pictures, labels = digits.trained
    shown = digits.compared(SAMPLES)[0]
    networks, groups = [], []

    for grade, which in itertools.product(range(GRADES), range(SEEDS)):
        own = 1000 * seed + 10 * grade + which
        generator = torch.Generator().manual_seed(own)
        share = grade / (GRADES - 1)
        some = torch.rand(len(labels), generator=generator) < share
        inputs, targets = pictures, labels
        drawn = torch.randint(10, (len(labels),), generator=generator)

        if kind == "labels":
            targets = torch.where(some, drawn, labels)
        elif kind == "shortcut":
            inputs = given_away(pictures, torch.where(some, labels, drawn))
        else:
            copies = pictures.repeat(8, 1, 1, 1)
            inputs = copies + share * torch.randn(copies.shape, generator=generator)
            targets = labels.repeat(8)

        networks.append(trained(deep, own, inputs, targets, 400))
        groups.append(grade)

    if kind == "shortcut":
        drawn = torch.randint(10, (len(shown),), generator=torch.Generator().manual_seed(seed))
        shown = given_away(shown, drawn)

    return networks, groups, shown


def hidden(network: Classifier, pictures: Tensor) -> list[Tensor]:
    r"""Activations of the hidden layers."""
    found = []

    with torch.no_grad():
        for module in network.body.children():
            pictures = module(pictures)
            if isinstance(module, nn.ReLU):
                found.append(pictures)

    return found


def measured(layers: list[Tensor]) -> Measured:
    r"""Similarities of all pairs by every measure; ours are directed, minus the error from row to column."""
    named = {str(k): values for k, values in enumerate(layers)}
    matrix = equiv.compare_layers(named, named, None)
    found: Measured = {"equiv": (-matrix.a_to_b).tolist()}

    for name in PEERS:
        measure: Callable[[Tensor, Tensor], float] = getattr(baselines, name)
        table = torch.ones(len(layers), len(layers), dtype=torch.float64)

        for i, j in itertools.combinations(range(len(layers)), 2):
            table[i, j] = table[j, i] = measure(layers[i], layers[j])

        found[name] = table.tolist()

    return found


def pairwise(matrix: Tensor) -> Tensor:
    r"""One similarity of each pair: that of the worse direction."""
    return torch.minimum(matrix, matrix.T)


def profiles(matrix: Tensor) -> Tensor:
    r"""Minus the distance of two networks' similarities to and from all others but the two."""
    n = len(matrix)
    both = torch.cat([matrix, matrix.T], dim=1)
    apart = (both[:, None] - both[None]).square()
    own = torch.eye(n, dtype=torch.bool).repeat(1, 2)
    apart = apart.masked_fill(own[:, None] | own[None], 0)

    return -apart.sum(-1).sqrt()


def judged(similarity: Tensor, groups: list[int]) -> dict[str, float]:
    r"""AUPRC and conformity."""
    group = torch.tensor(groups)
    same = group[:, None] == group
    upper = torch.triu(torch.ones_like(same), 1)
    agree = [
        (similarity[f, g] > similarity[f, h]).double() + 0.5 * (similarity[f, g] == similarity[f, h])
        for f in range(len(group))
        for g in same[f].nonzero()[:, 0].tolist()
        if g != f
        for h in [(~same[f]).nonzero()[:, 0]]
    ]

    return {
        "auprc": float(average_precision_score(same[upper], similarity[upper])),
        "conformity": torch.cat(agree).mean().item(),
    }


def monotone(similarity: Tensor) -> float:
    r"""Share of triples of layers whose nearer ones are more alike."""
    triples = list(itertools.combinations(range(len(similarity)), 3))
    right = [similarity[i, j] > similarity[i, k] for i, j, k in triples]
    right += [similarity[k, j] > similarity[k, i] for i, j, k in triples]

    return torch.stack(right).double().mean().item()


def probed(values: Tensor, labels: Tensor) -> float:
    r"""Accuracy on the second half of a linear read-out learned on the first."""
    half = len(values) // 2
    head = RidgeClassifier().fit(values[:half].numpy(), labels[:half].numpy())

    return float(head.score(values[half:].numpy(), labels[half:].numpy()))


def tested(network: Classifier, digits: Digits, seed: int) -> dict[str, Any]:
    r"""One network's layers, deletions, a translated class, and noise that stitches."""
    pictures, labels = digits.compared(SAMPLES)[0], digits.labels[len(digits.trained[0]) :][:SAMPLES]
    layers = hidden(network, pictures)
    layer = layers[-1].double()
    centre, spread = layer.mean(0), layer.std(0).norm()
    u, s, v = torch.linalg.svd(layer - centre, full_matrices=False)
    deleted = [centre + (u[:, :k] * s[:k]) @ v[:k] for k in LEFT]
    lost = [probed(layer, labels) - probed(each, labels) for each in deleted]
    away = torch.randn(layer.shape[1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    moved = [layer + shift * spread * (labels == 0)[:, None] * away / away.norm() for shift in SHIFTS]
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(10, layer.shape[1], generator=generator, dtype=torch.float64)
    noise = codes[labels] + 0.3 * torch.randn(layer.shape, generator=generator, dtype=torch.float64)
    by_layer = measured(layers)
    by_change = measured([layer, *deleted, *moved, noise])
    found: dict[str, Any] = {"accuracy_of_noise": probed(noise, labels), "accuracy": probed(layer, labels)}

    for name, rows in by_change.items():
        table = pairwise(torch.tensor(rows))[0]
        after = 1 + len(LEFT)
        found[name] = {
            "layers": monotone(pairwise(torch.tensor(by_layer[name]))),
            "deletion": float(spearmanr(-table[1:after].numpy(), lost)[0]),
            "translation": table[after : after + len(SHIFTS)].tolist(),
            "noise": table[-1].item(),
        }

    return found


def record(seed: int, kind: str) -> dict[str, Any]:
    r"""One zoo."""
    digits = Digits.drawn(seed)
    start = time.process_time()
    networks, groups, shown = zoo(kind, digits, seed)
    trained_for = time.process_time() - start
    similarities = measured([hidden(network, shown)[-1] for network in networks])
    scores = {
        name: {
            way: judged(make(torch.tensor(rows, dtype=torch.float64)), groups)
            for way, make in (("pairwise", pairwise), ("profile", profiles))
        }
        for name, rows in similarities.items()
    }
    tests = tested(networks[0], digits, seed) if kind == "labels" else None
    seconds = time.process_time() - start

    return {"seed": seed, "kind": kind, "scores": scores, "tests": tests, "seconds": [trained_for, seconds]}


def ranks(table: dict[str, list[float]]) -> dict[str, float]:
    r"""Mean rank of each measure over columns, 1 the best."""
    names = list(table)
    columns = torch.tensor([table[name] for name in names]).T
    places = [rankdata([-x for x in column]) for column in columns.tolist()]

    return {name: sum(place[k] for place in places) / len(places) for k, name in enumerate(names)}


def report(rows: list[dict[str, Any]]) -> str:
    r"""The tables, in Markdown."""
    names = ["equiv", *PEERS]
    lines = ["# Measures of similarity side by side", "", (__doc__ or "").split("\n\n")[2].replace("\n", " ")]
    lines += ["", (__doc__ or "").split("\n\n")[3].strip().replace("\n", " ")]

    for way in ("pairwise", "profile"):
        table = {
            name: [
                sum(values) / len(values)
                for kind, score in itertools.product(KINDS, ("auprc", "conformity"))
                for values in [[row["scores"][name][way][score] for row in rows if row["kind"] == kind]]
            ]
            for name in names
        }
        each = {
            name: [row["scores"][name][way][s] for row in rows for s in ("auprc", "conformity")]
            for name in names
        }
        order = ranks(each)
        zoos = len({row["seed"] for row in rows})
        lines += ["", f"## Groups by design, {way} ({zoos} zoos of each kind, means)", ""]
        lines += [
            "| | "
            + " | ".join(f"{kind}: {s}" for kind in KINDS for s in ("AUPRC", "conformity"))
            + " | mean rank |"
        ]
        lines += ["|---" * (2 * len(KINDS) + 2) + "|"]
        lines += [
            f"| {name} | " + " | ".join(f"{x:.3f}" for x in table[name]) + f" | {order[name]:.2f} |"
            for name in sorted(names, key=order.__getitem__)
        ]

    tests = [row["tests"] for row in rows if row["tests"]]
    lines += ["", f"## One network ({len(tests)} of them, means)", ""]
    lines += ["| | layers | deletion | " + " | ".join(f"moved by {x:g}" for x in SHIFTS) + " | noise |"]
    lines += ["|---" * (4 + len(SHIFTS)) + "|"]

    for name in names:
        found = [each[name] for each in tests]
        cells = [sum(each[key] for each in found) / len(found) for key in ("layers", "deletion")]
        cells += [sum(each["translation"][k] for each in found) / len(found) for k in range(len(SHIFTS))]
        cells += [sum(each["noise"] for each in found) / len(found)]
        lines.append(f"| {name} | " + " | ".join(f"{x:.3f}" for x in cells) + " |")

    accuracy, noisy = (
        sum(each[key] for each in tests) / len(tests) for key in ("accuracy", "accuracy_of_noise")
    )
    lines += [
        "",
        f"Ours is minus the larger error. A linear head reads {100 * accuracy:.1f} % of the labels off the",
    ]
    lines += [f"layer and {100 * noisy:.1f} % off the noise."]

    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--zoos", type=int, default=2, help="zoos of each kind")
    parser.add_argument("--seconds", type=float, default=450)
    parser.add_argument("--records", type=Path, default=RESULTS / "similarity.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.records.read_text().splitlines() if options.records.exists() else []
    rows = [json.loads(each) for each in lines]
    start = time.monotonic()

    if options.action == "report":
        (RESULTS / "similarity.md").write_text(report(rows))
        return

    done = {(row["seed"], row["kind"]) for row in rows}

    for seed, kind in itertools.product(range(options.first, options.first + options.zoos), KINDS):
        if time.monotonic() - start > options.seconds:
            break

        if (seed, kind) not in done:
            row = record(seed, kind)
            print(seed, kind, row["seconds"], row["scores"]["equiv"], flush=True)

            with options.records.open("a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

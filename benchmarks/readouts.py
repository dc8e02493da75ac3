r"""What is read off without pairs, against the truth: do its intervals hold on fresh inputs?

    python benchmarks/readouts.py           # benchmarks/results/readouts.md, in less than ten minutes of one core

Pairs of small random networks of `unpaired_cases.py`, without pairs of samples. Three read-outs of each: random linear
logits of five classes; those of a random layer of 16 tanh units behind; and one output that only a part of the neurons
feeds. The truth is that of the returned transformation on 2,000 fresh hidden inputs that neither side has seen.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from unpaired_cases import CASES, FRESH, draw_pair, relative

import equiv

RESULTS = Path(__file__).parent / "results"
# Cases by their names, with the coordinates that are asked for.
NAMES = (
    ("interval-500-4-tanh", "auto"),
    ("circle-500-4-tanh", "auto"),
    ("circle-500-4-tanh", "galerkin"),
    ("square-500-4-tanh", "auto"),
    ("interval-2000-0-tanh", "auto"),
    ("circle-2000-0-tanh", "auto"),
    ("square-2000-0-tanh", "auto"),
    ("l_shape-2000-0-tanh", "auto"),
    ("square-2000-4-hidden", "auto"),
)
PAIRS = 8


def readouts(values: Tensor, seed: int) -> dict[str, nn.Module]:
    r"""Read-outs whose entries vary over these activations, `(n, d)`."""
    generator = torch.Generator().manual_seed(seed)
    d = values.shape[1]
    standard = nn.Linear(d, d).double()
    spread = values.std(dim=0).clamp_min(1e-9)
    standard.weight.data, standard.bias.data = torch.diag(1 / spread), -values.mean(dim=0) / spread
    one = torch.zeros(d).double()
    one[torch.randint(d, (1,), generator=generator)] = 1

    def linear(inputs: int, outputs: int, weight: Tensor | None = None) -> nn.Linear:
        layer = nn.Linear(inputs, outputs).double()
        drawn = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)
        layer.weight.data = drawn if weight is None else weight
        layer.bias.data = 0.3 * torch.randn(outputs, generator=generator, dtype=torch.float64)

        return layer

    return {
        "linear": nn.Sequential(standard, linear(d, 5)),
        "hidden layer": nn.Sequential(standard, linear(d, 16), nn.Tanh(), linear(16, 5)),
        "one neuron": nn.Sequential(standard, linear(d, 1, one[None])),
    }


def covers(interval: equiv.Interval, truth: float, noise: float = 0.0) -> bool:
    low = interval.estimate - math.hypot(interval.estimate - interval.low, noise)
    high = interval.estimate + math.hypot(interval.high - interval.estimate, noise)

    return low <= truth <= high


class Judged(NamedTuple):
    r"""A direction of a pair: the read-out, what was found, and the true errors and share of equal answers."""

    kind: str
    found: Any
    error: float
    read: float
    same: float


def measured(name: str, method: str, seed: int) -> list[Judged]:
    r"""Both directions of one pair with one kind of read-out; none where it is not called equivalent."""
    case = next(case for case in CASES if case.name == name)
    pair = draw_pair(case, seed)
    heads = [readouts(side.values, seed + 1000 * place) for place, side in enumerate((pair.a, pair.b))]
    kind = list(heads[0])[seed % len(heads[0])]
    first, second = (each[kind] for each in heads)
    result = equiv.compare(
        pair.a,
        pair.b,
        paired=False,
        anchors=pair.anchors,
        method=method,
        readout_a=first,
        readout_b=second,
    )

    if result.verdict != "equivalent":
        return []

    a, b = (network.values(pair.fresh) for network in pair.networks)
    told = []

    for found, map_, source, target, head in (
        (result.a_to_b, result.transformation, a, b, second),
        (result.b_to_a, result.transformation.inverse, b, a, first),
    ):
        with torch.no_grad():
            image = map_(source)
            said, own = head(image), head(target)

        same = (said.argmax(dim=1) == own.argmax(dim=1)).double().mean().item()
        told.append(Judged(kind, found, relative(image, target), relative(said, own), same))

    return told


def row(name: str, told: list[Judged]) -> str:
    r"""One line of the table."""
    answers = [each for each in told if each.found.readout_agreement is not None]
    held = [covers(each.found.readout_error, each.read) for each in told]
    shares = [
        covers(
            each.found.readout_agreement,
            each.same,
            1.96 * math.sqrt(max(each.same * (1 - each.same), 1 / FRESH) / FRESH),
        )
        for each in answers
    ]
    maps = [covers(each.found.error, each.error) for each in told if each.found.ambiguity == 0]
    ratios = sorted(each.found.readout_error.estimate / each.read for each in told)
    above = sorted(each.found.readout_error.high / each.read for each in told)
    middle = len(ratios) // 2

    return (
        f"| {name} | {len(told)} | {sum(held)} of {len(held)} | {ratios[middle]:.2g} | {above[middle]:.2g} | "
        f"{sum(shares)} of {len(shares)} | {median([each.same for each in answers]):.3f} | "
        f"{median([each.found.readout_agreement.low for each in answers]):.3f} | "
        + (f"{sum(maps)} of {len(maps)} |" if maps else "several |")
    )


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else math.nan


HEADER = """
# What is read off without pairs, against the truth

Pairs of small random networks (`unpaired_cases.py`), unrelated samples of each, both directions, one of three kinds of
read-out each; the truth is that of the returned map on 2,000 fresh hidden inputs, whose own noise in shares of samples
is allowed for. Where several maps are equally good it is that of the one that was returned. *Estimate* and *upper
bound*: medians, over the true error of what is read off. The last column is the error of the map itself.

| case | intervals | error covers | estimate | upper bound | same answer covers | true share | lower bound
| map's error covers |
|---|---|---|---|---|---|---|---|---|
""".lstrip().replace("\n| map's", " | map's")


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=PAIRS)
    options = parser.parse_args()
    lines, every = [], []
    start = time.process_time()

    for name, method in NAMES:
        told = [each for seed in range(options.pairs) for each in measured(name, method, seed)]
        every += told
        lines.append(row(name if method == "auto" else f"{name}, {method}", told))
        print(lines[-1], round(time.process_time() - start), "s", flush=True)

        # After each case, so that a run that is stopped leaves what it has.
        text = HEADER + "\n".join([*lines, row("all", every)])
        (RESULTS / "readouts.md").write_text(
            f"{text}\n\n{time.process_time() - start:.0f} seconds of one core.\n"
        )


if __name__ == "__main__":
    main()

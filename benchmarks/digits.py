r"""What `equiv.compare` claims of networks trained on digits, held against digits that nobody has seen.

    python benchmarks/digits.py run --seconds 450    # goes on where benchmarks/results/digits.jsonl ends
    python benchmarks/digits.py report               # benchmarks/results/digits.md

Each kind of pair in `digits_networks.py` is drawn twice, from different seeds and splits, at numbers of digits that
take turns between 150 and 1,200. The true error is the RMS error over the RMS spread of the target on the fresh digits
of the same split; it is itself known up to its noise, which the bootstrap over the fresh digits gives. Peers learn
from the same activations: the identity where widths agree, ridge by leave-one-out and kernel ridge by five folds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from digits_networks import BODY, Digits, pairs
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from torch import Tensor

import equiv

RESULTS = Path(__file__).parent / "results"
SAMPLES = (150, 300, 600, 1200)
TOLERANCE = 0.05
RESAMPLES = 400


def relative(predicted: Tensor, target: Tensor) -> Tensor:
    r"""Squared errors and squared distances from the mean, a row each (n, 2)."""
    return torch.stack(
        [(predicted - target).square().sum(1), (target - target.mean(0)).square().sum(1)], dim=1
    ).double()


def error_of(squares: Tensor) -> tuple[float, float]:
    r"""The relative error, and the standard deviation of its logarithm by the bootstrap."""
    error = (squares[:, 0].sum() / squares[:, 1].sum()).sqrt().item()
    rows = torch.randint(len(squares), (RESAMPLES, len(squares)), generator=torch.Generator().manual_seed(0))
    sums = squares[rows].sum(dim=1)

    return error, (0.5 * (sums[:, 0] / sums[:, 1]).log()).std().item() if error else 0.0


def peers(source: Tensor, target: Tensor, fresh_source: Tensor, fresh_target: Tensor) -> dict[str, float]:
    r"""Errors on fresh digits of what one would use otherwise."""
    mean, scale = source.mean(0), source.std(0).clamp(min=1e-6)
    z, fresh = (((x - mean) / scale).double() for x in (source, fresh_source))
    ridge = RidgeCV(alphas=[10.0**k for k in range(-4, 5)]).fit(z.numpy(), target.numpy())
    grid = {"alpha": [10.0**k for k in range(-4, 2)], "gamma": [2.0**k / z.shape[1] for k in range(-6, 1)]}
    kernel = GridSearchCV(KernelRidge(kernel="rbf"), grid, cv=5, scoring="neg_mean_squared_error")
    kernel.fit(z.numpy(), (target - target.mean(0)).numpy())
    found = {
        "ridge": torch.from_numpy(ridge.predict(fresh.numpy())),
        "kernel_ridge": torch.from_numpy(kernel.predict(fresh.numpy())) + target.mean(0),
    }

    if source.shape == target.shape:
        found["identity"] = fresh_source

    return {name: error_of(relative(image, fresh_target))[0] for name, image in found.items()}


def record(kind: str, seed: int, n: int) -> dict[str, Any]:
    r"""One comparison and what became of it."""
    digits = Digits.drawn(seed)
    pictures, fresh = digits.compared(n)
    a, b = pairs(digits, seed)[kind]()
    start = time.process_time()
    result = equiv.compare(a, b, pictures, layers_a=BODY, layers_b=BODY, tolerance=TOLERANCE, seed=seed)
    seconds = time.process_time() - start

    with torch.no_grad():
        values = [[network.body(x) for x in (pictures, fresh)] for network in (a, b)]
        maps = (result.transformation, result.transformation.inverse)
        errors, noises, others = [], [], []

        for (source, target), found in zip((values, values[::-1]), maps, strict=True):
            error, noise = error_of(relative(found(source[1]), target[1]))
            errors.append(error)
            noises.append(noise)
            others.append(peers(source[0], target[0], source[1], target[1]))

    return {
        "kind": kind,
        "seed": seed,
        "samples": n,
        "verdict": str(result.verdict),
        "bounds": [list(side.error) for side in (result.a_to_b, result.b_to_a)],
        "errors": errors,
        "noises": noises,
        "peers": others,
        "needed": [getattr(side, "needed", None) for side in (result.a_to_b, result.b_to_a)],
        "determined": [
            None if getattr(side, "components", None) is None else list(side.components.variance_determined)
            for side in (result.a_to_b, result.b_to_a)
        ],
        "seconds": seconds,
        "sentence": result.summary().splitlines()[-1],
    }


def covered(row: dict[str, Any], side: int) -> bool:
    r"""Whether the bounds hold the true error, as well as the fresh digits tell it (two standard deviations)."""
    _, low, high = row["bounds"][side]
    error, slack = row["errors"][side], math.exp(2 * row["noises"][side])

    return low / slack <= error <= high * slack


def contradicted(row: dict[str, Any]) -> bool:
    r"""Whether a yes or a no of the verdict is not what the fresh digits show."""
    determines = [error <= TOLERANCE for error in row["errors"]]
    slack = [math.exp(2 * noise) for noise in row["noises"]]
    clear = [
        abs(math.log(e / TOLERANCE)) > math.log(s) if e else True
        for e, s in zip(row["errors"], slack, strict=True)
    ]
    said = {
        "equivalent": (True, True),
        "a_determines_b": (True, False),
        "b_determines_a": (False, True),
        "not_equivalent": (False, False),
    }.get(row["verdict"])

    return said is not None and any(
        c and one != other for c, one, other in zip(clear, said, determines, strict=True)
    )


def report(rows: list[dict[str, Any]]) -> str:
    r"""The tables, in Markdown."""
    sides = [(row, side) for row in rows for side in (0, 1)]
    strict = [
        low <= row["errors"][side] <= high for row, side in sides for _, low, high in [row["bounds"][side]]
    ]
    behind = [
        row["errors"][side] / min(row["peers"][side].values()) - 1
        for row, side in sides
        if min(row["peers"][side].values()) > 0
    ]
    open_rows = [row for row in rows if row["verdict"] == "inconclusive"]
    lines = [
        "# Networks trained on digits, and digits that nobody has seen",
        "",
        (__doc__ or "").split("\n\n")[2].replace("\n", " "),
        "",
        f"* {len(rows)} comparisons, {len(sides)} directions. The bounds hold the error on fresh digits in "
        f"{sum(strict)} ({100 * sum(strict) / len(sides):.1f} %); allowing for the noise of that error in "
        f"{sum(covered(*each) for each in sides)}.",
        f"* Verdicts that the fresh digits contradict: {sum(map(contradicted, rows))}. "
        f"Inconclusive: {len(open_rows)}.",
        f"* Behind the best of identity, ridge and kernel ridge by more than 5 %: "
        f"{sum(each > 0.05 for each in behind)} directions (the most: {100 * max(behind):.1f} %); median "
        f"{100 * sorted(behind)[len(behind) // 2]:+.1f} %.",
        "",
        "Errors in % of the target's spread: estimate (bounds), then true, then the best peer; both directions.",
        "",
        "| kind | n | verdict | A to B | true | best peer | B to A | true | best peer | CPU seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]

    for row in rows:
        cells = [row["kind"], str(row["samples"]), row["verdict"]]

        for side in (0, 1):
            estimate, low, high = (100 * x for x in row["bounds"][side])
            name, best = min(row["peers"][side].items(), key=lambda item: item[1])
            cells += [
                f"{estimate:.3g} ({low:.3g} to {high:.3g})",
                f"{100 * row['errors'][side]:.3g}",
                f"{100 * best:.3g} {name}",
            ]

        lines.append(f"| {' | '.join(cells)} | {row['seconds']:.1f} |")

    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--draws", type=int, default=2, help="pairs of each kind")
    parser.add_argument("--kinds", default=None, help="names with commas; all without")
    parser.add_argument("--seconds", type=float, default=450)
    parser.add_argument("--records", type=Path, default=RESULTS / "digits.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.records.read_text().splitlines() if options.records.exists() else []
    rows = [json.loads(each) for each in lines]
    done = {(row["kind"], row["seed"]) for row in rows}
    start = time.monotonic()

    if options.action == "report":
        (RESULTS / "digits.md").write_text(report(rows))
        return

    names = list(pairs(Digits.drawn(0), 0))
    chosen = options.kinds.split(",") if options.kinds else names

    for seed, name in itertools.product(range(options.first, options.first + options.draws), chosen):
        if time.monotonic() - start > options.seconds:
            break

        if (name, seed) not in done:
            row = record(name, seed, SAMPLES[(names.index(name) + seed) % len(SAMPLES)])
            print(
                name,
                seed,
                row["samples"],
                row["verdict"],
                row["errors"],
                f"{row['seconds']:.1f} s",
                flush=True,
            )

            with options.records.open("a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

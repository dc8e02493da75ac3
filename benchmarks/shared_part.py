r"""What comparisons say beyond one error, against the truth: do its intervals hold on fresh inputs?

    python benchmarks/shared_part.py    # benchmarks/results/shared_part.md, in less than ten minutes of one core

*Synthetic*: pairs with known shared directions hidden among others of their own, turned at random. *Digits*: networks
trained for seconds on 600 of scikit-learn's digits, compared at n others, judged on all that are left.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import equiv
from equiv.observe.draws import Draws
from equiv.regression.hermite_kernel import profile
from equiv.regression.kernel_search import AFFINE_VARIANCE, scaled
from equiv.regression.pair_data import standardise
from equiv.shared_part.choice import chosen, folds_of, principal
from equiv.shared_part.components import learned_components
from equiv.shared_part.held_out import HeldOut
from equiv.shared_part.ridges import kernel_matrix, regressed

RESULTS = Path(__file__).parent / "results"
TRAINED = 600
# Neurons, shared ones, their scale, their noise (from none to this), samples, tolerance.
SYNTHETIC = (
    (10, 3, 1.0, 0.0, 200, 0.3),
    (10, 5, 1.0, 0.6, 200, 0.5),
    (40, 5, 2.0, 0.0, 300, 0.3),
    (40, 20, 1.0, 0.6, 300, 0.5),
    (100, 20, 1.0, 0.5, 600, 0.3),
)
DATA_SETS, FRESH = 20, 4000


def fresh_components(a: Tensor, held_out: HeldOut, map_: Any, fresh: tuple[Tensor, Tensor], seed: int) -> Any:
    r"""Errors of single directions, and of leading ones with their share, on fresh samples: all samples choose."""
    generator = torch.Generator().manual_seed(seed)
    target, draws = held_out.target, held_out.draws
    draws.order(generator)
    data = standardise(a, target, None, None, generator, draws)
    axes = principal(data.target)[0]
    scores = data.target @ axes
    every, _, tried = chosen(
        data, scores, held_out.missed @ axes / data.spread, folds_of(draws, generator), generator
    )
    goal = (fresh[1] - data.middle) / data.spread
    seen = goal @ axes @ every.directions
    missed = torch.zeros_like(seen)

    for place in every.own.unique().tolist():
        columns, settings = (every.own == place).nonzero()[:, 0], tried[place].settings

        if settings is None:
            image = (map_(fresh[0]) - data.middle) / data.spread @ axes
        else:
            found = regressed(kernel_matrix(data, settings), tried[place].ridge, scores, draws)
            assert found is not None
            points, _, factor = scaled(data, settings)
            z = (fresh[0] - data.center) @ data.basis * factor
            kernel = profile(settings.kind, torch.cdist(z, points).square())[0]
            image = (kernel + AFFINE_VARIANCE * (z @ points.T + 1)) @ found.coefficients

        missed[:, columns] = seen[:, columns] - image @ every.directions[:, columns]

    squared, held = missed.square().sum(dim=0), seen.square().sum(dim=0)
    leading = (squared.cumsum(dim=0) / held.cumsum(dim=0)).sqrt()

    return (squared / held).sqrt(), leading, held.cumsum(dim=0) / goal.square().sum()


def within(leading: Tensor, share: Tensor, tolerance: float) -> float:
    place = (leading <= tolerance).nonzero()[:, 0]

    return share[place[-1]].item() if len(place) else 0.0


def covers(interval: equiv.Interval, truth: float) -> bool:
    r"""Up to the share of the variance that components leave out."""
    return interval.low - 1e-3 <= truth <= interval.high + 1e-3


def hidden(
    count: int, k: int, scale: float, noise: float, turns: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    r"""Samples of both sides, of which k directions are shared, the last of these with the most noise."""
    z, w = torch.randn(2, count, k, generator=generator, dtype=torch.float64)
    own = torch.randn(2, count, turns.shape[1] - k, generator=generator, dtype=torch.float64)
    shared = scale * (z + 0.1 * z.square() + noise * torch.linspace(0, 1, k) * w)

    return torch.cat([z, own[0]], dim=1) @ turns[0], torch.cat([shared, own[1]], dim=1) @ turns[1]


def synthetic() -> list[str]:
    rows = [
        "| neurons | shared | noise | n | tolerance | share found | on fresh inputs | covered | lower bound holds | "
        "errors of shared directions covered | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]

    for d, k, scale, noise, n, tolerance in SYNTHETIC:
        start, found, single = time.process_time(), [], []

        for seed in range(DATA_SETS):
            generator = torch.Generator().manual_seed(seed)
            turns = torch.linalg.qr(torch.randn(2, d, d, generator=generator, dtype=torch.float64))[0]

            (a, b), fresh = (hidden(count, k, scale, noise, turns, generator) for count in (n, FRESH))
            held_out = HeldOut(b, b - b.mean(dim=0), Draws.single(n))
            got = learned_components(a, held_out, tolerance, 0.95, seed)
            middle = b.mean(dim=0)
            errors, leading, share = fresh_components(a, held_out, lambda _, m=middle: m, fresh, seed)
            found.append((got.variance_determined, within(leading, share, tolerance)))
            single += list(zip(got.errors[:k], errors[:k].tolist(), strict=True))

        share_of = [sum(x) / DATA_SETS for x in zip(*((i.estimate, t) for i, t in found), strict=True)]
        rows.append(
            f"| {d} | {k} | {noise} | {n} | {tolerance:.0%} | {share_of[0]:.3f} | {share_of[1]:.3f} | "
            f"{mean(covers(*each) for each in found):.0%} | {mean(i.low <= t for i, t in found):.0%} | "
            f"{mean(covers(*each) for each in single):.0%} | {time.process_time() - start:.0f} |"
        )
        print(rows[-1], flush=True)

    return rows


def mean(values: Any) -> float:
    known = [float(value) for value in values]

    return sum(known) / len(known) if known else math.nan


class Network(nn.Module):
    r"""A body whose last layer is compared, and a head."""

    def __init__(self, kind: str, outputs: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        bodies = {
            "mlp": lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()),
            "tanh": lambda: nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh()),
            "cnn": lambda: nn.Sequential(
                nn.Unflatten(1, (1, 8, 8)),
                nn.Conv2d(1, 8, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(8, 16, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
            ),
        }
        self.body = bodies[kind]()
        self.head = nn.Linear(64 if kind == "cnn" else 32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def trained(kind: str, x: Tensor, labels: Tensor, seed: int, steps: int = 300, start: Any = None) -> Network:
    network = Network(kind, int(labels.max()) + 1, seed)

    if start is not None:
        network.load_state_dict(start.state_dict())

    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)

    for _ in range(steps):
        batch = torch.randint(len(x), (64,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x[batch]), labels[batch]).backward()
        optimiser.step()

    return network


def pruned(network: Network, kind: str, share: float) -> Network:
    copy = Network(kind, network.head.out_features, 0)
    copy.load_state_dict(network.state_dict())

    for weight in copy.body.parameters():
        if weight.ndim > 1:
            kept = weight.abs() >= weight.abs().flatten().quantile(share)
            weight.data *= kept

    return copy


def networks(x: Tensor, y: Tensor) -> dict[str, tuple[Network, Network]]:
    chance = torch.randint(10, (len(y),), generator=torch.Generator().manual_seed(0))
    mlp, cnn = trained("mlp", x, y, 0), trained("cnn", x, y, 1)

    return {
        "other seed, MLP": (mlp, trained("mlp", x, y, 2)),
        "other seed, CNN": (cnn, trained("cnn", x, y, 3)),
        "CNN to MLP": (cnn, mlp),
        "MLP to tanh": (mlp, trained("tanh", x, y, 4)),
        "digits to parity": (mlp, trained("mlp", x, y % 2, 5)),
        "digits to random labels": (mlp, trained("mlp", x, chance, 6)),
        "trained to untrained": (cnn, Network("cnn", 10, 7)),
        "pruned 80 %": (mlp, pruned(mlp, "mlp", 0.8)),
        "trained on": (
            cnn,
            trained("cnn", x, y, 8, 60, start=cnn),
        ),
    }


def digits() -> list[str]:
    pictures, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(pictures).float()[order] / 16
    y = torch.from_numpy(labels).long()[order]
    pairs = networks(x[:TRAINED], y[:TRAINED])
    told: dict[tuple[str, int], list[tuple[Any, float]]] = defaultdict(list)
    open_at: dict[tuple[str, str], int | None] = {}
    shown: list[str] = []
    late: list[tuple[bool, bool]] = []
    start = time.process_time()

    for n in (150, 300, 600):
        shuffled = TRAINED + torch.randperm(len(x) - TRAINED, generator=torch.Generator().manual_seed(n))
        probe, rest = x[shuffled[:n]], x[shuffled[n:]]

        for name, (first, second) in pairs.items():
            with torch.no_grad():
                a, b, fresh_a, fresh_b = (net.body(z) for z in (probe, rest) for net in (first, second))

            result = equiv.compare(
                equiv.Observations(a),
                equiv.Observations(b),
                paired=True,
                readout_a=first.head,
                readout_b=second.head,
                tolerance=0.1,
            )
            sides = (
                ("A to B", result.a_to_b, result.transformation, fresh_a, fresh_b, second.head),
                ("B to A", result.b_to_a, result.transformation.inverse, fresh_b, fresh_a, first.head),
            )

            for way, found, map_, source, target, head in sides:
                with torch.no_grad():
                    image, own = map_(source.double()), target.double()
                    said, answer = head(image.float()), head(target)

                fresh = HeldOut(own, own - image, Draws.single(len(own)))
                error = relative(image, own)
                told["error", n].append((found.error, error))
                told["explained", n].append((found.explained, max(0.0, 1 - error**2)))
                told["identification", n].append((found.identification, fresh.identification(0.95).estimate))
                told["read-out error", n].append((found.readout_error, relative(said, answer)))
                same = (said.argmax(dim=1) == answer.argmax(dim=1)).double().mean().item()
                told["same answer", n].append((widened(found.readout_agreement, same, len(rest)), same))
                learned = found.further
                leading, share = fresh_components(
                    learned.source.double(), learned.held_out, map_, (source.double(), own), 0
                )[1:]
                told["share of directions within 10 %", n].append(
                    (found.components.variance_determined, within(leading, share, 0.1))
                )
                decided = found.error.high < 0.1 or (
                    found.error.low > 0.1 and result.verdict != "inconclusive"
                )

                if n == 150 and not decided:
                    open_at[name, way] = found.needed
                elif n == 600 and (name, way) in open_at:
                    needed = open_at[name, way]
                    late.append((needed is not None and needed <= 600, decided))

                if n == 600:
                    shown.append(
                        f"| {name}, {way} | {found.error.estimate:.2f} | {found.readout_error.estimate:.2f} | "
                        f"{found.readout_agreement.estimate:.0%} | {found.identification.estimate:.0%} | "
                        f"{found.components.variance_determined.estimate:.2f} | {found.components.determined} of "
                        f"{len(found.components.errors)} | {result.verdict} |"
                    )

        print(n, round(time.process_time() - start), "s", flush=True)

    rows = [
        "| quantity | n | intervals | covered | within 2 points of it | estimate less truth |",
        "|---|---|---|---|---|---|",
    ]

    for (quantity, n), each in told.items():
        off = mean(interval.estimate - truth for interval, truth in each)
        near = mean(interval.low - 0.02 <= truth <= interval.high + 0.02 for interval, truth in each)
        rows.append(
            f"| {quantity} | {n} | {len(each)} | {mean(covers(*pair) for pair in each):.0%} | {near:.0%} | {off:+.3f} |"
        )

    foretold = [done for said, done in late if said]
    unsaid = [done for said, done in late if not said]

    return [
        *rows,
        "",
        f"Directions open at n = 150: {len(late)}. At 600 were decided {sum(foretold)} of the {len(foretold)} "
        f"of which `needed` said that 600 would do, and {sum(unsaid)} of the other {len(unsaid)}.",
        "",
        "| pair (n = 600) | error | read-out's error | same answer | right one of 100 | share within 10 % | "
        "directions | verdict at 10 % |",
        "|---|---|---|---|---|---|---|---|",
        *shown,
    ]


def widened(found: equiv.Interval, share: float, count: int) -> equiv.Interval:
    r"""An interval of a share with the noise of what it is held against, the share of so many samples."""
    noise = 1.96 * math.sqrt(max(share * (1 - share), 1 / count) / count)

    return equiv.Interval(
        found.estimate,
        found.estimate - math.hypot(found.estimate - found.low, noise),
        found.estimate + math.hypot(found.high - found.estimate, noise),
    )


def relative(image: Tensor, own: Tensor) -> float:
    spread = (own - own.mean(dim=0)).square().sum()

    return ((image - own).square().sum() / spread).sqrt().item()


def main() -> None:
    torch.set_num_threads(1)
    start = time.process_time()
    page = [
        "# What is shared, against the truth",
        "",
        f"Synthetic pairs with hidden shared directions, {DATA_SETS} data sets a row, {FRESH} fresh ones; directions "
        "are chosen by all samples, their errors and share estimated by folds:",
        "",
        *synthetic(),
        "",
        f"Networks trained on {TRAINED} digits, compared at n others by their last hidden layer, judged on the rest, "
        "at least 597, whose own noise in shares of samples is allowed for; tolerance 10 %:",
        "",
        *digits(),
    ]
    page += ["", f"{time.process_time() - start:.0f} seconds of one core."]
    (RESULTS / "shared_part.md").write_text("\n".join(page) + "\n")


if __name__ == "__main__":
    main()

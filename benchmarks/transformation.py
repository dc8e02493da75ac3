r"""True errors of unpaired transformations between random networks, beside their estimates and beside peers.

    python benchmarks/transformation.py                     # all tables: about two hours on two cores
    python benchmarks/transformation.py --pairs 5 square circle      # a few pairs of some cases

Two random networks (one tanh layer of 32, weights from N(0, 1), 3 to 8 outputs) see two unrelated samples of one
input space; a few anchors are known to correspond. The true error is the RMS of |T(y_A) - y_B| over the RMS spread
of y_B, over fresh hidden inputs that neither side has seen, in both directions; without anchors that of the nearest
of the space's symmetries. Pairs with a network whose chart the diagnosis refuses are counted apart.
Writes `benchmarks/results/transformation.md` and `transformation.json`.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from manifolds import DOMAINS, Domain, observe, rotate_frames  # noqa: E402

import equiv  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
FRESH = 2000
SPACES = DOMAINS | {
    "l_equal": Domain((0.0, 0.0), (1.0, 1.0), lambda x: (x[:, 0] < 0.4) | (x[:, 1] < 0.4)),
}


@dataclass(frozen=True)
class Case:
    r"""A family of pairs: input space, samples a side, anchors, and the marks for median and worst error."""

    space: str
    samples: int
    anchors: int
    median: float
    worst: float
    symmetries: float = 1


CASES = [
    Case("square", 2000, 4, 2e-4, 2e-3),
    Case("square", 500, 4, 2e-3, 2e-2),
    Case("interval", 2000, 2, 1e-5, 1e-4),
    Case("interval", 500, 2, 1e-4, 1e-3),
    Case("circle", 2000, 3, 2e-4, 2e-3),
    Case("circle", 500, 3, 2e-3, 2e-2),
    Case("torus", 4096, 4, 2e-3, 2e-2),
    Case("cube", 4000, 4, 5e-3, 5e-2),
    Case("l_shape", 2000, 0, 3e-3, 1e-2),
    Case("l_equal", 2000, 0, 3e-3, 1e-2, 2),
    Case("interval", 2000, 0, 3e-3, 1e-2, 2),
    Case("rectangle", 2000, 0, 3e-3, 1e-2, 4),
    Case("square", 2000, 0, 3e-3, 1e-2, 8),
    Case("circle", 1000, 0, math.nan, math.nan, math.inf),
    Case("disc", 1000, 0, math.nan, math.nan, math.inf),
    Case("torus", 4096, 0, math.nan, math.nan, math.inf),
]


@dataclass
class Outcome:
    r"""One pair: what was found, and the truth."""

    verdict: str
    symmetries: float
    error: float
    estimate: float
    low: float
    high: float
    back: float
    seconds: float
    sentence: str


def outputs(space: Domain, draw: Tensor) -> int:
    r"""How many neurons a network shows: 3 to 8 for planes, enough to embed elsewhere."""
    fewest = {1: 3, 2: 3, 3: 7}[space.dimension] if space.periods is None else {1: 3, 2: 5}[space.dimension]

    return fewest + int(draw.item() * (9 - fewest))


def draw_pair(
    case: Case, seed: int
) -> tuple[equiv.Observations, equiv.Observations, Tensor | None, list[Tensor]]:
    r"""Both sides, anchors, and the activations of both on fresh inputs."""
    space = SPACES[case.space]
    generator = torch.Generator().manual_seed(seed)
    widths = [outputs(space, torch.rand((), generator=generator)) for _ in range(2)]
    known = space.sample(case.anchors, seed=4 * seed + 1) if case.anchors else torch.empty(0, space.dimension)
    fresh = space.sample(FRESH, seed=4 * seed + 2)
    sides, values = [], []

    for side, width in enumerate(widths):
        hidden = torch.cat([space.sample(case.samples, seed=100_000 + 2 * seed + side), known.double()])
        seen = observe(space, hidden, width, seed=10_000 + 2 * seed + side)
        assert seen.frames is not None
        # Rotated frames and a shuffled order: nothing but the geometry may leak.
        sides.append(equiv.Observations(seen.values, rotate_frames(seen.frames, seed=seed + side)))
        values.append(observe(space, fresh, width, seed=10_000 + 2 * seed + side).values)

    anchors = torch.stack([case.samples + torch.arange(case.anchors)] * 2, dim=1) if case.anchors else None

    return sides[0], sides[1], anchors, [*values, fresh]


def relative(found: Tensor, true: Tensor) -> float:
    r"""RMS error over the RMS spread of the truth."""
    return ((found - true).norm() / (true - true.mean(dim=0)).norm()).item()


def symmetric_images(case: Case, fresh: Tensor) -> list[Tensor]:
    r"""The images of hidden inputs under the symmetries of their space; the inputs alone with anchors."""
    if case.anchors:
        return [fresh]

    flips = {
        "interval": [(0,)],
        "rectangle": [(0,), (1,), (0, 1)],
        "square": [(0,), (1,), (0, 1)],
    }.get(case.space, [])
    high = torch.tensor(SPACES[case.space].high).double()
    images = [fresh]

    for axes in flips:
        image = fresh.clone()
        image[:, axes] = high[list(axes)] - image[:, axes]
        images.append(image)

    return images + [image.flip(1) for image in images] if case.space in ("square", "l_equal") else images


def run_pair(case: Case, seed: int) -> Outcome:
    a, b, anchors, (values_a, values_b, fresh) = draw_pair(case, seed)
    start = time.perf_counter()
    result = equiv.compare(a, b, paired=False, anchors=anchors)
    seconds = time.perf_counter() - start
    error = back = math.nan

    if result.verdict == "equivalent" and math.isfinite(case.median):
        network = 10_000 + 2 * seed
        space = SPACES[case.space]
        images = [
            observe(space, x, values_b.shape[1], seed=network + 1).values
            for x in symmetric_images(case, fresh)
        ]
        there = result.transformation(values_a)
        best = min(images, key=lambda image: relative(there, image))
        error = relative(there, best)
        back = relative(result.transformation.inverse(best), values_a)

    estimate, low, high = result.a_to_b.error

    return Outcome(
        str(result.verdict), result.symmetries, error, estimate, low, high, back, seconds, result.sentence
    )


def quantile(values: list[float], share: float) -> float:
    return torch.tensor(values).double().quantile(share).item() if values else math.nan


def row(case: Case, outcomes: list[Outcome]) -> str:
    r"""One line of the table."""
    good = [o for o in outcomes if o.verdict == "equivalent"]
    errors = [e for o in good for e in (o.error, o.back) if math.isfinite(e)]
    known = [o for o in good if math.isfinite(o.error)]
    covered = [o.low <= o.error <= o.high for o in known]
    width = quantile([(o.high - o.low) / o.error for o in known], 0.5)
    marks = f"{case.median:.1e} / {case.worst:.1e}"
    counted = sum(o.symmetries == case.symmetries for o in good)

    return (
        f"| {case.space} | {case.samples} | {case.anchors} | {len(good)} of {len(outcomes)} "
        f"| {quantile(errors, 0.5):.1e} | {max(errors, default=math.nan):.1e} | {marks} "
        f"| {sum(covered)} of {len(covered)} | {width:.1f} | {counted} of {len(good)} "
        f"| {quantile([o.seconds for o in outcomes], 0.5):.1f} |"
    )


HEADER = (
    "| space | samples a side | anchors | equivalent | median error | worst | marks | bounds hold "
    "| width over error | symmetries right | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("spaces", nargs="*", help="input spaces; all without any")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--most", type=int, default=10**6, help="leave out cases with more samples a side")
    parser.add_argument("--anchors", type=int, default=None, help="only cases with so many anchors")
    options = parser.parse_args()
    chosen = [
        case
        for case in CASES
        if (not options.spaces or case.space in options.spaces)
        and case.samples <= options.most
        and options.anchors in (None, case.anchors)
    ]
    lines, record = [], []
    print(HEADER)

    for case in chosen:
        outcomes = [run_pair(case, seed) for seed in range(options.pairs)]
        lines.append(row(case, outcomes))
        record.append({"case": asdict(case), "outcomes": [asdict(o) for o in outcomes]})
        print(lines[-1], flush=True)

        for seed, outcome in enumerate(outcomes):
            if outcome.verdict != "equivalent":
                print(f"  pair {seed}: {outcome.sentence}")

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "transformation.md").write_text("\n".join([HEADER, *lines]) + "\n")
    (RESULTS / "transformation.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()

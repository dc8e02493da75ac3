r"""Failures injected into every stage of a comparison: whether any is answered by a verdict that is false.

    python benchmarks/sabotage.py            # a table of stages by what was found; --write keeps it
    python benchmarks/sabotage.py --only svd # stages whose names hold this

A stage is a function of torch, SciPy or this package. From its k-th call on it raises LinAlgError, or returns NaN or
zeros for every number of its answer, while pairs are compared whose verdict is a theorem: half of them are equivalent.
A *false yes* is "equivalent" of a pair that is not, or of one that is with a map whose true error on fresh samples is
no number, or above the tolerance. Stages of our own, which hand over errors and decisions, fail alike: an error of 0 is
held against the map at samples that are known.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import itertools
import math
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

import equiv
from equiv import Observations

__all__ = ["PAIRS", "STAGES", "judged", "sabotaged"]

RESULTS = Path(__file__).parent / "results" / "sabotage.md"
TOLERANCE = 0.05
SAMPLES = 100
RING_SAMPLES = 250
OUTCOMES = ("error", "inconclusive", "right", "false no", "false yes")
INTRODUCTION = (
    "Made by `python benchmarks/sabotage.py --write`, which says what is injected and what is false. Ten pairs, with "
    "and without pairing, and three of layers; each stage fails from its first, or fifth, call on. *Right* holds of "
    "failures that did not matter."
)
KINDS = ("raises", "NaN", "zeros")
CALLS = (1, 5)

# Where numbers come from, by what they are for. Those of this package are changed wherever they are imported.
STAGES: dict[str, tuple[str, ...]] = {
    "eigensolver": ("torch.linalg:eigh", "torch.linalg:eigvalsh"),
    "singular values": ("torch.linalg:svd", "torch.linalg:svdvals"),
    "Cholesky": ("torch.linalg:cholesky", "torch.linalg:cholesky_ex", "torch:cholesky_solve"),
    "least squares": ("torch.linalg:lstsq", "torch.linalg:pinv"),
    "linear systems": ("torch.linalg:solve", "torch.linalg:solve_triangular", "torch.linalg:inv"),
    "orthogonal bases": ("torch.linalg:qr",),
    "determinants": ("torch.linalg:det", "torch.linalg:matrix_exp", "torch.linalg:matrix_rank"),
    "distances": ("torch:cdist", "torch.Tensor:norm"),
    "moments": ("torch.Tensor:mean", "torch.Tensor:square"),
    "sparse systems": ("scipy.sparse.linalg:splu", "scipy.sparse.linalg:eigsh"),
    "neighbours": ("equiv.metric.neighbors:neighbor_graph",),
    "synchronisation": ("equiv.flattening.synchronization:synchronise", "equiv.flattening.solve:flatten"),
    "charts": ("equiv.charts.build:build_chart", "equiv.charts.strain:measure_strain"),
    "registration": ("equiv.registration.register:register",),
    "eigenspaces": (
        "equiv.unpaired.eigenspace_match:register_eigenspaces",
        "equiv.unpaired.eigenfunctions:eigen_sides",
    ),
    "refinement": ("equiv.unpaired.symmetries:best_refinement",),
    "regression": ("equiv.regression.hermite:fit_map", "equiv.regression.leave_one_out:solve"),
    "searches": ("equiv.regression.kernel_search:search", "equiv.regression.affine:least_squares"),
    "bounds": ("equiv.regression.bounds:relative_rms",),
    "errors without pairs": ("equiv.unpaired.evidence:direction_errors",),
    "doubts": ("equiv.paired.determinacy:determinacy", "equiv.paired.between:between_samples"),
    "layers": ("equiv.layers.source:from_layer", "equiv.regression.bounds:relative_rms_of_each"),
}


def seen(x: Tensor, seed: int, ring: bool = False) -> Observations:
    r"""Five sines of inputs `(n, 1)`, in [0, length), on a line or a ring of length 1, with their derivatives."""
    generator = torch.Generator().manual_seed(seed)
    rates, phases = (torch.rand(1, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    rates = (
        2 * math.pi * torch.tensor([[1.0, 1, 1, 2, 2]], dtype=torch.float64) if ring else 0.5 + 1.5 * rates
    )
    angle = x * rates + 2 * math.pi * phases

    return Observations(angle.sin(), (angle.cos() * rates)[:, :, None])


def inputs(seed: int, n: int = SAMPLES) -> Tensor:
    r"""Uniform in [0, 1), `(n, 1)`."""
    return torch.rand(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclasses.dataclass(frozen=True)
class Pair:
    r"""Two networks: how they are compared, whether they are equivalent, and what they show of fresh inputs."""

    compare: Callable[[], equiv.Comparison]
    equivalent: bool
    fresh: Callable[[], tuple[Tensor, Tensor]] | None = None


def _paired(bend: Callable[[Tensor], Tensor], frames: bool, equivalent: bool) -> Pair:
    x = inputs(0)
    a, b = seen(x, 1), seen(bend(x), 2)

    if not frames:
        a, b = Observations(a.values), Observations(b.values)

    fresh = inputs(5)

    return Pair(
        lambda: equiv.compare(a, b, paired=True, tolerance=TOLERANCE),
        equivalent,
        lambda: (seen(fresh, 1).values, seen(bend(fresh), 2).values),
    )


def _layers(bend: Callable[[Tensor], Tensor], equivalent: bool) -> Pair:
    r"""The same as two layers, of which no map is returned."""
    x = inputs(0)
    a, b = ({"": seen(*each).values} for each in ((x, 1), (bend(x), 2)))

    def compared() -> Any:
        matrix = equiv.compare_layers(a, b, None, tolerance=TOLERANCE)

        return SimpleNamespace(verdict=matrix.verdicts[0][0])

    return Pair(compared, equivalent)


def _unpaired(ratio: float, method: str, anchors: bool, ring: bool = False) -> Pair:
    r"""Two sets of samples; B's inputs are `ratio` times as long as A's."""
    known = torch.tensor([[0.1], [0.7]], dtype=torch.float64)
    n = RING_SAMPLES if ring else SAMPLES
    a = seen(torch.cat([inputs(0, n), known]), 1, ring)
    x = torch.cat([inputs(3, n), known])
    b = seen(x, 2, ring)
    b = Observations(b.values, b.frames / ratio) if b.frames is not None else b
    pairs = torch.tensor([[n, n], [n + 1, n + 1]]) if anchors else None
    fresh = inputs(5)

    return Pair(
        lambda: equiv.compare(a, b, paired=False, anchors=pairs, method=method, tolerance=TOLERANCE),
        ratio == 1,
        (lambda: (seen(fresh, 1, ring).values, seen(fresh, 2, ring).values)) if anchors else None,
    )


def _same(x: Tensor) -> Tensor:
    return x


def _folded(x: Tensor) -> Tensor:
    return (x - 0.5).square()


def _shuffled(x: Tensor) -> Tensor:
    return (97 * x).sin().abs()


PAIRS: dict[str, Callable[[], Pair]] = {
    "pairs": lambda: _paired(_same, True, True),
    "pairs, values": lambda: _paired(_same, False, True),
    "pairs, folded": lambda: _paired(_folded, True, False),
    "pairs, folded, values": lambda: _paired(_folded, False, False),
    "pairs, unrelated": lambda: _paired(_shuffled, False, False),
    "layers": lambda: _layers(_same, True),
    "layers, folded": lambda: _layers(_folded, False),
    "layers, unrelated": lambda: _layers(_shuffled, False),
    "lines": lambda: _unpaired(1, "auto", True),
    "lines, longer": lambda: _unpaired(1.5, "auto", True),
    "lines, longer, no anchors": lambda: _unpaired(1.5, "auto", False),
    "rings": lambda: _unpaired(1, "galerkin", True, True),
    "rings, longer": lambda: _unpaired(1.5, "galerkin", False, True),
}


def _replaced(value: Any, number: float) -> Any:
    r"""The same answer with this number for all floating ones."""
    if isinstance(value, Tensor):
        return torch.full_like(value, number) if value.is_floating_point() else value

    if isinstance(value, float):
        return number

    if isinstance(value, tuple):
        parts = [_replaced(each, number) for each in value]

        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)

    if isinstance(value, list):
        return [_replaced(each, number) for each in value]

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            f.name: _replaced(getattr(value, f.name), number) for f in dataclasses.fields(value) if f.init
        }

        return dataclasses.replace(value, **changed)

    return value


@contextmanager
def sabotaged(stage: str, kind: str, first: int) -> Iterator[Counter[str]]:
    r"""From its `first` call on a stage fails; counts its calls."""
    module, name = stage.split(":")
    owner = torch.Tensor if module == "torch.Tensor" else importlib.import_module(module)
    original = getattr(owner, name)
    calls: Counter[str] = Counter()

    def failing(*arguments: Any, **options: Any) -> Any:
        calls[stage] += 1

        if calls[stage] < first or kind == "none":
            return original(*arguments, **options)

        if kind == "raises":
            raise torch.linalg.LinAlgError("injected")

        return _replaced(original(*arguments, **options), math.nan if kind == "NaN" else 0.0)

    held = [
        place
        for label, place in list(sys.modules.items())
        if label.startswith("equiv.") and module.startswith("equiv.") and vars(place).get(name) is original
    ]
    places = [owner, *held]

    try:
        for place in places:
            setattr(place, name, failing)

        yield calls
    finally:
        for place in places:
            setattr(place, name, original)


def judged(pair: Pair, compare: Callable[[], equiv.Comparison]) -> tuple[str, equiv.Comparison | None]:
    r"""What came out: "error", "inconclusive", "right", "one-sided", "false no" or "false yes"."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compare()
    except Exception:  # whatever comes out is counted
        return "error", None

    if found.verdict == "inconclusive":
        return "inconclusive", found

    if found.verdict == "equivalent":
        return ("right" if pair.equivalent and _holds(pair, found) else "false yes"), found

    return ("false no" if pair.equivalent else "right"), found


def _holds(pair: Pair, found: equiv.Comparison) -> bool:
    r"""Whether the maps, made without failures, carry fresh activations to their partners."""
    if pair.fresh is None:
        return True

    sides = pair.fresh()

    for transformation, source, target in (
        (found.transformation, *sides),
        (found.transformation.inverse, *sides[::-1]),
    ):
        missed = (transformation(source) - target).square().sum(dim=1).mean().sqrt()
        spread = (target - target.mean(dim=0)).square().sum(dim=1).mean().sqrt()

        if not missed < TOLERANCE * spread:
            return False

    return True


def injected(
    only: str, pairs: dict[str, Callable[[], Pair]]
) -> Iterator[tuple[str, str, str, str, int, str]]:
    r"""Group, stage, pair, kind, call and what came out, of all stages that a pair reaches."""
    stages = [(group, stage) for group, several in STAGES.items() for stage in several]
    wanted = [(group, stage) for group, stage in stages if only in f"{group} {stage}"]

    for label, make in pairs.items():
        pair = make()
        calls = reached(pair, [stage for _, stage in wanted])

        for (group, stage), kind, first in itertools.product(wanted, KINDS, CALLS):
            if first > calls[stage]:
                continue

            with sabotaged(stage, kind, first):
                came, found = judged(dataclasses.replace(pair, fresh=None), pair.compare)

            if came == "right" and found is not None and found.verdict == "equivalent":
                came = "right" if _holds(pair, found) else "false yes"

            yield group, stage, label, kind, first, came


def reached(pair: Pair, stages: list[str]) -> Counter[str]:
    r"""How often each stage is called where none fails."""
    with ExitStack() as stack:
        counts = [stack.enter_context(sabotaged(stage, "none", 1)) for stage in stages]
        judged(dataclasses.replace(pair, fresh=None), pair.compare)

    return sum(counts, Counter())


def table(rows: dict[str, list[int]]) -> str:
    r"""The rows, with their sums."""
    total = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines = ["| stage | failures | " + " | ".join(OUTCOMES) + " |", "|---|" + "---|" * (len(OUTCOMES) + 1)]
    lines += [f"| {name} | {sum(row)} | " + " | ".join(map(str, row)) + " |" for name, row in rows.items()]

    return "\n".join([*lines, f"| all | {sum(total)} | " + " | ".join(map(str, total)) + " |"])


def written() -> dict[str, list[int]]:
    r"""The rows that are in the file of results."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]

    return {name: list(map(int, counts)) for name, _, *counts in cells if name in STAGES}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="stages whose names hold this")
    parser.add_argument("--write", action="store_true", help="puts the rows into results/sabotage.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts: dict[str, Counter[str]] = {}

    for group, stage, label, kind, first, came in injected(options.only, PAIRS):
        counts.setdefault(group, Counter())[came] += 1

        if came.startswith("false"):
            print(f"{came}: {stage} {kind} from call {first} on, {label}", flush=True)

    rows = {group: [found[each] for each in OUTCOMES] for group, found in counts.items()}
    print(table(rows))

    if options.write:
        known = written() | rows
        RESULTS.write_text(
            f"# Failures injected into a comparison\n\n{INTRODUCTION}\n\n"
            f"{table({group: known[group] for group in STAGES if group in known})}\n"
        )


if __name__ == "__main__":
    main()

r"""Studies of several networks in several seeds, through `run.py`: stitched networks, and the zoo.

    python benchmarks/studies.py RUNS             # runs what is missing in RUNS/, then writes the tables
    python benchmarks/studies.py RUNS --gather    # writes the tables of what is there

Writes `benchmarks/results/stitching.md` and `zoo.md` from the runs' own `metrics.json`, and the figures of seed 0
beside `docs/experiments/`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
FIGURES = ROOT / "docs" / "experiments" / "figures"
SEEDS = {"stitching": range(5), "zoo": range(3)}
#: What differs from the experiment as it is: the counts that are judged, in a third of the time.
OVERRIDES = {"stitching": ["study.anchors=[10,20,50]"], "zoo": []}
#: Figures of the pages, from the run of seed 0.
PICTURES = {"stitching": ("stitching",), "zoo": ("zoo", "classes")}


def run_all(runs: Path) -> None:
    for experiment, seeds in SEEDS.items():
        for seed in seeds:
            folder = (runs / f"{experiment}_{seed}").resolve()

            if not (folder / "metrics.json").is_file():
                print(experiment, seed, flush=True)
                command = [
                    sys.executable,
                    "run.py",
                    f"experiment={experiment}",
                    f"seed={seed}",
                    "logger=none",
                    *OVERRIDES[experiment],
                ]
                subprocess.run([*command, f"hydra.run.dir={folder}"], cwd=ROOT, check=True)


def stitching(runs: list[dict[str, Any]]) -> str:
    r"""Accuracies and errors by method and number of common digits, over all seeds."""
    methods = list(runs[0]["accuracy_by_anchors"])
    counts = list(runs[0]["accuracy_by_anchors"][methods[0]])
    own = mean((run["accuracy_a"] + run["accuracy_b"]) / 2 for run in runs)
    lines = [
        "# Stitched networks",
        "",
        f"`experiment=stitching`, mean of {len(runs)} seeds and its standard error: of two networks trained apart on",
        "digits the body of one and the head of the other, both ways, on fresh digits. T is learned from values and",
        "frames at so many digits that both were shown; the others from values alone, relative representations also",
        "from all labelled digits of the head's network. As trained, the networks read "
        f"{100 * own:.2f} %; stitched with all",
        f"of 400 digits shared {100 * mean(run['accuracy_stitched'] for run in runs):.2f} %.",
    ]

    for title, key, beside in (
        ("Accuracy in %", "accuracy_by_anchors", None),
        ("Accuracy of T less that of each other, in %", "accuracy_by_anchors", "T"),
        ("Error of the activations at the cut, in % of their spread", "error_by_anchors", None),
    ):
        lines += ["", f"## {title}", "", f"| digits shared | {' | '.join(counts)} |"]
        lines.append("|---" * (1 + len(counts)) + "|")

        for method in methods:
            cells = [[run[key][method][count] for run in runs] for count in counts]

            if beside is not None:
                known = [[run[key][beside][count] for run in runs] for count in counts]
                cells = [
                    [x - y for x, y in zip(*each, strict=True)] for each in zip(known, cells, strict=True)
                ]

            if method != beside and None not in cells[0]:
                lines.append(f"| {method.replace('_', ' ')} | {' | '.join(map(_with_error, cells))} |")

    return "\n".join(lines) + "\n"


def _with_error(values: list[float]) -> str:
    r"""Mean and standard error over the seeds, in percent."""
    error = 100 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")

    return f"{100 * mean(values):.2f} ± {error:.2f}"


def zoo(runs: list[dict[str, Any]]) -> str:
    r"""What became of the zoo in each seed."""
    keys = [
        key
        for key in runs[0]
        if key.startswith(("adjusted", "classes", "networks", "comparisons", "undecided", "determined"))
    ]

    lines = [
        "# The zoo",
        "",
        "`experiment=zoo`: 25 networks sorted by `equiv.equivalence_classes`; the truth is known by their tasks. The",
        "index of CKA is the best that any number of clusters of average linkage reaches, chosen by the truth.",
        "",
        f"| | {' | '.join(f'seed {seed}' for seed in range(len(runs)))} |",
        "|---" * (1 + len(runs)) + "|",
        *(f"| {key.replace('_', ' ')} | {' | '.join(f'{run[key]:.4g}' for run in runs)} |" for key in keys),
    ]

    return "\n".join(lines) + "\n"


def gather(runs: Path) -> None:
    for experiment, table in (("stitching", stitching), ("zoo", zoo)):
        folders = [runs / f"{experiment}_{seed}" for seed in SEEDS[experiment]]
        found = [folder for folder in folders if (folder / "metrics.json").is_file()]

        if found:
            metrics = [json.loads((folder / "metrics.json").read_text()) for folder in found]
            (RESULTS / f"{experiment}.md").write_text(table(metrics))

            for name in PICTURES[experiment]:
                target = f"{experiment}.png" if name == experiment else f"{experiment}_{name}.png"
                shutil.copy(found[0] / "figures" / f"{name}.png", FIGURES / target)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--gather", action="store_true")
    options = parser.parse_args()

    if not options.gather:
        run_all(options.runs)

    gather(options.runs)


if __name__ == "__main__":
    main()

r"""Every experiment in three seeds, with its controls, through `run.py`; pretrained ones with their wheels.

    python benchmarks/experiments.py RUNS                    # runs what is missing in RUNS/, then gathers
    python benchmarks/experiments.py RUNS --only training    # runs those whose name has this in it
    python benchmarks/experiments.py RUNS --gather           # gathers what is there

Writes `benchmarks/results/experiments.json`, the tables of `docs/experiments/README.md` and the figures beside it
from the runs' own files; no number is typed by hand. A run that is not there keeps the numbers that it had.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "experiments"
RESULTS = ROOT / "benchmarks" / "results" / "experiments.json"
SEEDS = ("seed=0", "seed=1", "seed=2")
#: Runs beside the three seeds, by experiment and name.
CONTROLS: dict[str, dict[str, list[str]]] = {
    "scalar_monotone": {"another input space": ["relation=stretched"]},
    "scalar_nonmonotone": {
        "another input space": ["relation=stretched"],
        "B learns A's function": ["dataset.b.learns=${dataset.a.learns}"],
    },
    "vector_field": {
        "another input space": ["relation=stretched"],
        "a field that folds": ["dataset.a.learns.damping=2"],
    },
    "reconstruction": {"another input space": ["relation=stretched", "evaluation.choices=2"]},
    "reconstruction_horse": {"B turns twice as fast": ["relation=double", "evaluation.choices=2"]},
    "horse_gait": {"two strides for one": ["relation=double"]},
    "training": {"another input space": ["relation=stretched"]},
    "transfer": {"another input space": ["relation=stretched"], "A untrained": ["trainer.max_epochs=0"]},
    "potentials": {
        "another input space": ["relation=stretched"],
        "another molecule": ["dataset.b.molecule=ammonia"],
        "one neuron": ["matching.neurons_b=1"],
    },
    "pitch": {"another input space": ["relation=stretched"]},
}
#: The figure of each page, from the run of seed 0.
FIGURES = {
    "scalar_monotone": ["functions.png"],
    "scalar_nonmonotone": ["functions.png"],
    "vector_field": ["maps.png"],
    "reconstruction": ["errors.png", "inputs.png"],
    "reconstruction_horse": ["errors.png", "inputs.png"],
    "horse_gait": ["torus.png", "film.gif"],
    "training": ["training.png"],
    "transfer": ["transfer.png"],
    "potentials": ["potentials.png"],
    "pitch": ["pitch.png"],
}
#: The page of an experiment, where it has none of its own.
PAGE = {"reconstruction_horse": "reconstruction"}
LEFT_OUT = ("symmetries", "intrinsic_dimension", "seconds_data", "seconds_training", "seconds_matching")


def runs_of(experiment: str) -> dict[str, list[str]]:
    r"""The overrides of every run of an experiment, by name."""
    return {seed.replace("=", " "): [seed] for seed in SEEDS} | CONTROLS[experiment]


def folder(runs: Path, experiment: str, name: str) -> Path:
    return runs / experiment / name.replace(" ", "_").replace("'", "")


def run_all(runs: Path, only: str) -> None:
    for experiment in CONTROLS:
        for name, overrides in runs_of(experiment).items():
            place = folder(runs, experiment, name).resolve()

            if only not in f"{experiment} {name}" or (place / "metrics.json").is_file():
                continue

            command = [
                sys.executable,
                "run.py",
                f"experiment={experiment}",
                *overrides,
                f"hydra.run.dir={place}",
            ]
            print(experiment, name, flush=True)
            done = subprocess.run([*command, "logger=none"], cwd=ROOT, stdout=subprocess.DEVNULL)

            if done.returncode:
                print(f"{experiment} {name} failed", flush=True)


def gather(runs: Path) -> dict[str, dict[str, dict[str, Any]]]:
    r"""The metrics by experiment and run: what is there, and of what is not, what was found before."""
    before = json.loads(RESULTS.read_text())
    found: dict[str, dict[str, dict[str, Any]]] = {}

    for experiment in CONTROLS:
        files = {name: folder(runs, experiment, name) / "metrics.json" for name in runs_of(experiment)}
        found[experiment] = {
            name: json.loads(file.read_text()) if file.is_file() else before[experiment][name]
            for name, file in files.items()
            if file.is_file() or name in before.get(experiment, {})
        }

    return {experiment: each for experiment, each in found.items() if _split(each)[0]}


def tables(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    return "\n".join(
        f"## [{name}]({PAGE.get(name, name)}.md)\n\n{numbers(runs)}{series(runs)}"
        for name, runs in found.items()
    )


def numbers(runs: dict[str, dict[str, Any]]) -> str:
    r"""Mean and spread of each number over the seeds, and each control by itself."""
    seeds, controls = _split(runs)
    columns = ["", f"mean over {_seeds(seeds)}", "least to most", *controls]
    rows = [
        [
            key.replace("_", " "),
            *_summed([seed.get(key) for seed in seeds]),
            *(shown(run.get(key)) for run in controls.values()),
        ]
        for key, value in seeds[0].items()
        if key not in LEFT_OUT and not isinstance(value, dict)
    ]

    return markdown(columns, rows)


def series(runs: dict[str, dict[str, Any]]) -> str:
    r"""What was measured along the way or by count: a row for each epoch or count, over the seeds."""
    seeds, _ = _split(runs)
    together: dict[tuple[str, ...], list[str]] = {}

    for key, value in seeds[0].items():
        if isinstance(value, dict):
            together.setdefault(tuple(value), []).append(key)

    text = ""

    for places, keys in together.items():
        along = keys[0].partition("_by_")[2]
        columns = [along, *(key.replace(f"_by_{along}", "") for key in keys)]
        rows = [
            [
                place,
                *(" ".join(_bracketed([(seed.get(key) or {}).get(place) for seed in seeds])) for key in keys),
            ]
            for place in places
        ]
        text += f"\nMean over {_seeds(seeds)}, in brackets the least and the most:\n\n"
        text += markdown([column.replace("_", " ") for column in columns], rows)

    return text


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]

    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _split(runs: dict[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    r"""The runs of the seeds, and the controls by name."""
    seeds = [each for name, each in runs.items() if name.startswith("seed")]

    return seeds, {name: each for name, each in runs.items() if not name.startswith("seed")}


def _seeds(seeds: list[dict[str, Any]]) -> str:
    return f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"


def _bracketed(values: list[Any]) -> tuple[str, ...]:
    mean, spread = _summed(values)

    return (mean, f"({spread})") if " to " in spread else (mean,)


def _summed(values: list[Any]) -> tuple[str, str]:
    r"""Mean and range of numbers; of words the word itself, or all of them."""
    if all(isinstance(value, int | float) for value in values) and len(set(values)) > 1:
        return shown(float(statistics.mean(values))), f"{shown(min(values))} to {shown(max(values))}"

    words = [shown(value) for value in values]
    alike = "the same in all" if len(words) > 1 else ""

    return (words[0], alike) if len(set(words)) == 1 else (", ".join(words), "")


def shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"

    return "none" if value is None else str(value).replace("_", " ")


def write(runs: Path, found: dict[str, dict[str, dict[str, Any]]]) -> None:
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    (PAGES / "figures").mkdir(exist_ok=True)
    page = PAGES / "README.md"
    head, mark, _ = page.read_text().partition("<!-- tables -->")
    page.write_text(f"{head}{mark}\n\n{tables(found)}")

    for experiment in found:
        for figure in FIGURES[experiment]:
            source = folder(runs, experiment, "seed 0") / "figures" / figure

            if source.is_file():
                shutil.copy(source, PAGES / "figures" / f"{experiment}_{figure}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--gather", action="store_true")
    arguments = parser.parse_args()

    if not arguments.gather:
        run_all(arguments.runs, arguments.only)

    write(arguments.runs, gather(arguments.runs))

r"""The horse end to end, through `run.py`: three seeds with and without cached pictures, and the negative controls.

    python benchmarks/horse.py RUNS               # runs everything into RUNS/ (about ten minutes), then gathers
    python benchmarks/horse.py RUNS --gather      # gathers what is there

Writes `benchmarks/results/horse.md` and `horse.json` from the runs' own `metrics.json`, no number typed by hand, and
the figures of `docs/experiments/horse.md`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: The figures of the page, from the first of the runs.
FIGURES = ("horse.png", "film.gif")
RUNS = {
    "horse, seed 0, nothing cached": ["experiment=horse", "seed=0"],
    "horse, seed 0, pictures cached": ["experiment=horse", "seed=0"],
    "horse, seed 1, nothing cached": ["experiment=horse", "seed=1"],
    "horse, seed 2, nothing cached": ["experiment=horse", "seed=2"],
    "negative control, double": ["experiment=horse_negative", "relation=double"],
    "negative control, half": ["experiment=horse_negative", "relation=half"],
}
COLUMNS = """
    verdict error_a_to_b true_error_a_to_b error_b_to_a true_error_b_to_a angle_error_deg angle_error_deg_p95
    angle_error_deg_euclidean cross_view_psnr autoencoder_b_psnr seconds_data seconds_training seconds_matching
    seconds_total
""".split()  # noqa: SIM905  a table's head reads better in a line


def folder(runs: Path, name: str) -> Path:
    return runs / name.replace(", ", "-").replace(" ", "_")


def run_all(runs: Path) -> None:
    settings = os.environ | {"XDG_CACHE_HOME": str(runs.resolve() / "cache")}

    for name, overrides in RUNS.items():
        command = [sys.executable, "run.py", *overrides, f"hydra.run.dir={folder(runs, name).resolve()}"]
        print(name, flush=True)
        subprocess.run(command, check=True, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL)


def gather(runs: Path) -> dict[str, dict[str, object]]:
    return {name: json.loads((folder(runs, name) / "metrics.json").read_text()) for name in RUNS}


def table(found: dict[str, dict[str, object]]) -> str:
    head = ["|".join(["| ", *(f" {name} " for name in found), ""]), "|---" * (len(found) + 1) + "|"]
    rows = [
        f"| {column.replace('_', ' ')} | "
        + " | ".join(shown(each.get(column)) for each in found.values())
        + " |"
        for column in COLUMNS
    ]

    return "\n".join([*head, *rows, ""])


def shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--gather", action="store_true")
    arguments = parser.parse_args()

    if not arguments.gather:
        run_all(arguments.runs)

    found = gather(arguments.runs)
    results = ROOT / "benchmarks" / "results"
    (results / "horse.json").write_text(json.dumps(found, indent=2) + "\n")
    (results / "horse.md").write_text(table(found))
    print(table(found))

    for figure in FIGURES:
        source = folder(arguments.runs, next(iter(RUNS))) / "figures" / figure
        shutil.copy(source, ROOT / "docs" / "experiments" / "figures" / f"horse_{figure}")

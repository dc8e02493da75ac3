r"""Twelve jobs of one thread each: one after the other, and two at a time through joblib.

    python benchmarks/sweep.py     # two cores: a minute

Jobs are small horses: pictures of 16 pixels, 256 angles, 20 epochs, pictures cached. Writes
`benchmarks/results/sweep.md` and `sweep.json`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
RATES = "optimizer.lr=" + ",".join(f"{0.001 * k:.3f}" for k in range(1, 13))
SMALL = (
    "experiment=horse",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=20",
    "matching.every_n_epochs=0",
    "dataset.size=16",
    "dataset.n_train=256",
    "dataset.n_held_out=24",
    "dataset.supersampling=1",
    "dataset.mesh_step=0.1",
    "dataset.workers=1",
    "architecture.network_a.encoder=[8,8]",
    "architecture.network_a.decoder=[8,8]",
    "architecture.network_b.encoder=[8,8]",
    "architecture.network_b.decoder=[8,8]",
    "logger=none",
)
WAYS = {"one after the other": (), "joblib, two at a time": ("launcher=joblib", "hydra.launcher.n_jobs=2")}


def seconds(cache: Path, *arguments: str, rates: str = RATES) -> float:
    r"""How long the sweep takes, start-up included."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

    with tempfile.TemporaryDirectory() as folder:
        chosen = (f"dataset.cache={cache}", f"hydra.sweep.dir={folder}", rates, *SMALL, *arguments)
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "run.py", "-m", *chosen],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            env=environment,
        )

        return time.perf_counter() - start


def table(results: dict[str, Any]) -> str:
    alone = next(iter(results["seconds"].values()))
    lines = [
        f"# A sweep of {results['jobs']} jobs of one thread each, on two cores",
        "",
        "By `benchmarks/sweep.py`: small horses, 20 epochs each, start-up included. Mark: 1.5 times faster.",
        "",
        "| way | seconds | times faster |",
        "|---|---|---|",
        *(f"| {way} | {taken:.1f} | {alone / taken:.2f} |" for way, taken in results["seconds"].items()),
    ]

    return "\n".join([*lines, ""])


def main() -> None:
    cache = Path(tempfile.gettempdir()) / "equiv-benchmark-sweep"
    seconds(cache, "trainer.max_epochs=1", rates="optimizer.lr=0.001")  # renders the pictures
    found = {name: seconds(cache, *arguments) for name, arguments in WAYS.items()}
    alone, together = found.values()
    results = {"jobs": 12, "seconds": found, "times faster": alone / together}
    (RESULTS / "sweep.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "sweep.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()

r"""Runs and sweeps killed at random moments and gone on with: whether what they leave is that of the undisturbed.

A small horse: each command is the program itself, in a process of its own that is a copy of one in which torch and
Lightning are loaded, and is ended by SIGKILL once it has used a random share of the processor time that it needs. It is
started again (a run with resume=, a sweep as it was) until it ends by itself, and may be killed again. Every second one
begins with no pictures in the cache.

    python benchmarks/kills.py [--runs N] [--sweeps N]     writes benchmarks/results/kills.md
"""

import argparse
import json
import os
import random
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SMALL = (
    *(
        "experiment=horse",
        "logger=none",
        "trainer.accelerator=cpu",
        "trainer.max_epochs=6",
        "matching.every_n_epochs=2",
    ),
    *("dataset.size=16", "dataset.n_train=64", "dataset.n_held_out=24", "dataset.supersampling=1"),
    *("dataset.mesh_step=0.1", "dataset.workers=1", "architecture.network_a.encoder=[8,8]"),
    *("architecture.network_a.decoder=[8,8]", "architecture.network_b.encoder=[8,8]"),
    "architecture.network_b.decoder=[8,8]",
)
#: Share of commands that are killed, when they are started for a second time and later.
AGAIN = 0.5


def start(arguments: list[str]) -> int:
    r"""The process of `python run.py ARGUMENTS`."""
    if child := os.fork():
        return child

    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)

    sys.argv = ["run.py", *arguments]
    code = 1

    try:
        runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
        code = 0
    finally:
        os._exit(code)


def used(process: int) -> float:
    r"""Seconds of processor time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()

    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ended(arguments: list[str], seconds: float | None) -> tuple[bool, float]:
    r"""Whether a command ended by itself, killed after `seconds` of processor time if they are given; and its time."""
    process = start(arguments)

    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)

        if done:
            assert os.WIFSIGNALED(status) or status == 0, f"{arguments} failed"
            return not os.WIFSIGNALED(status), usage.ru_utime + usage.ru_stime

        if seconds is not None and used(process) >= seconds:
            os.kill(process, signal.SIGKILL)
            seconds = None

        time.sleep(0.002)


def left(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    r"""What a run leaves: its metrics but for the seconds, and the weights of both networks."""
    import torch

    metrics = json.loads((folder / "metrics.json").read_text())
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)

    return {name: x for name, x in metrics.items() if not name.startswith("seconds")}, checkpoint[
        "state_dict"
    ]


def same(a: Path, b: Path) -> bool:
    r"""Whether two runs left the same, to the last bit."""
    (metrics_a, weights_a), (metrics_b, weights_b) = left(a), left(b)

    return metrics_a == metrics_b and all(tensor.equal(weights_b[name]) for name, tensor in weights_a.items())


def killed(folder: Path, cache: Path, whole: float, draw: random.Random, sweep: bool) -> int:
    r"""How often a run or sweep in this folder was killed until it ended."""
    usual = [*SMALL, f"dataset.cache={cache}"]
    usual += ["-m", "seed=0,1", f"hydra.sweep.dir={folder}"] if sweep else [f"hydra.run.dir={folder}"]
    kills, seconds = 0, draw.uniform(0, whole)

    while True:
        resumable = not sweep and (folder / "checkpoints" / "last.ckpt").is_file()
        finished, _ = ended([*usual, *([f"resume={folder}"] if resumable else [])], seconds)

        if finished:
            return kills

        kills += 1
        seconds = draw.uniform(0, whole) if draw.random() < AGAIN else None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--sweeps", type=int, default=5)
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import hydra  # noqa: F401  # what every run loads, once for all
    import torch

    import lightning_modules.evaluations.cross_view
    import lightning_modules.rehearsal  # noqa: F401

    torch.set_num_threads(1)
    rows = []

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)

        for kind, count in (("run", asked.runs), ("sweep", asked.sweeps)):
            whole, sweep = place / f"whole_{kind}", kind == "sweep"
            usual = ["-m", "seed=0,1", f"hydra.sweep.dir={whole}"] if sweep else [f"hydra.run.dir={whole}"]
            cache = place / "pictures"
            _, seconds = ended([*SMALL, *usual, f"dataset.cache={cache}"], None) if count else (True, 0.0)
            jobs = ["0", "1"] if sweep else ["."]

            for number in range(count):
                draw, folder = random.Random(number), place / f"{kind}_{number}"
                pictures = cache if number % 2 else place / f"pictures_{kind}_{number}"
                kills = killed(folder, pictures, seconds, draw, sweep)
                equal = all(same(folder / job, whole / job) for job in jobs)
                rows.append((kind, "warm" if number % 2 else "cold", kills, equal))
                print(*rows[-1], flush=True)

    text = ["# Killed and gone on with", ""]

    for kind in ("run", "sweep"):
        mine = [row for row in rows if row[0] == kind]
        text += [
            f"* {sum(row[3] for row in mine)} of {len(mine)} {kind}s of the horse, killed "
            f"{sum(row[2] for row in mine)} times in all ({sum(row[1] == 'cold' for row in mine)} of them began with "
            "an empty cache), leave the metrics and the weights of the undisturbed one to the last bit."
        ]

    (ROOT / "benchmarks" / "results" / "kills.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()

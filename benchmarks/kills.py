r"""Runs and sweeps killed at random moments and gone on with: whether what they leave is that of the undisturbed.

A small horse, by itself and in a sweep over two seeds: each command is the program itself, in a process of its own that
is a copy of one in which torch and Lightning are loaded, and is ended by SIGKILL once it has used a random share of the
processor time that it needs. It is started again (a run with resume=, a sweep as it was) until it ends by itself, and
may be killed again. Every second one begins with no pictures in the cache.

    python benchmarks/kills.py [--runs N] [--sweeps N]     writes benchmarks/results/kills.md, of what was measured
"""

import argparse
import json
import os
import random
import runpy
import shutil
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
AGAIN = 0.75


def start(arguments: list[str], said: Path) -> int:
    r"""The process of `python run.py ARGUMENTS`, which writes into `said` what it says."""
    if child := os.fork():
        return child

    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["run.py", *arguments]
    code = 0

    try:
        runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
    except BaseException as error:
        print(error, file=sys.stderr, flush=True)
        code = 1

    os._exit(code)


def used(process: int) -> float:
    r"""Seconds of processor time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()

    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ended(arguments: list[str], said: Path, seconds: float | None) -> tuple[bool, float]:
    r"""Whether a command ended by itself, killed after `seconds` of processor time if they are given; and its time."""
    process = start(arguments, said)

    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)

        if done:
            assert os.WIFSIGNALED(status) or status == 0, f"{arguments} failed: {said.read_text()[-400:]}"
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


def command(folder: Path, cache: Path, sweep: bool) -> list[str]:
    r"""The arguments of a run or sweep in this folder."""
    place = ["-m", "seed=0,1", f"hydra.sweep.dir={folder}"] if sweep else [f"hydra.run.dir={folder}"]

    return [*SMALL, *place, f"dataset.cache={cache}"]


def killed(folder: Path, cache: Path, whole: float, draw: random.Random, sweep: bool) -> int:
    r"""How often a run or sweep in this folder was killed until it ended, once at least."""
    kills, seconds = 0, draw.uniform(0, whole)

    while True:
        resumable = not sweep and (folder / "checkpoints" / "last.ckpt").is_file()
        resume = [f"resume={folder}"] if resumable else []
        finished, _ = ended([*command(folder, cache, sweep), *resume], folder.with_suffix(".txt"), seconds)

        if finished and kills:
            return kills

        if finished:  # before its moment came
            shutil.rmtree(folder)
            seconds = draw.uniform(0, whole)
        else:
            kills += 1
            seconds = draw.uniform(0, whole) if draw.random() < AGAIN else None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--sweeps", type=int, default=10)
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
            if not count:
                continue

            whole, sweep, cache = place / f"whole_{kind}", kind == "sweep", place / f"pictures_{kind}"
            needed = [
                ended(command(each, cache, sweep), each.with_suffix(".txt"), None)[1]
                for each in (whole, place / f"warm_{kind}")
            ]

            for number in range(count):
                draw, folder, warm = random.Random(number), place / f"{kind}_{number}", number % 2
                pictures = cache if warm else place / f"pictures_{kind}_{number}"
                kills = killed(folder, pictures, needed[warm], draw, sweep)
                equal = all(same(folder / job, whole / job) for job in (("0", "1") if sweep else (".",)))
                rows.append((kind, "warm" if warm else "cold", kills, equal))
                print(*rows[-1], flush=True)

    file = ROOT / "benchmarks" / "results" / "kills.md"
    text = ["# Killed and gone on with", ""]

    for kind in ("run", "sweep"):
        mine = [row for row in rows if row[0] == kind]
        text += [
            f"* {sum(row[3] for row in mine)} of {len(mine)} {kind}s of the horse, each killed at least once, "
            f"{sum(row[2] for row in mine)} times in all ({sum(row[1] == 'cold' for row in mine)} of them began with "
            "an empty cache), leave the metrics and the weights of the undisturbed one to the last bit."
            if mine
            else next(line for line in file.read_text().splitlines() if f"{kind}s of the horse" in line)
        ]

    file.write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()

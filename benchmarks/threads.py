r"""Whether the same settings give the same again, with one thread, with two, and with pictures in the cache or not.

A small horse by `run.py`, each time in a process and with a number of threads of its own, the second time with the
pictures that the first one left in the cache; and `python -m equiv` on recordings of a surface, paired and unpaired.

    python benchmarks/threads.py     writes benchmarks/results/threads.md
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from equiv.report.markup import flattened

ROOT = Path(__file__).parent.parent
HORSE = (
    *("experiment=horse", "logger=none", "trainer.accelerator=cpu", "trainer.max_epochs=4"),
    *("dataset.size=32", "dataset.n_train=256", "dataset.n_held_out=48", "dataset.supersampling=1"),
    *("dataset.workers=1",),
)
SAMPLES = 400


def run(arguments: list[str], threads: int) -> str:
    r"""What a command says."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    environment = os.environ | limits | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode in (0, 10, 11, 12, 13), done.stderr

    return done.stdout


def horse(folder: Path, cache: Path, threads: int) -> dict[str, Any]:
    r"""Numbers, words and weights that a run leaves, without its seconds."""
    run(["run.py", *HORSE, f"hydra.run.dir={folder}", f"dataset.cache={cache}"], threads)
    metrics = json.loads((folder / "metrics.json").read_text())
    weights = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]

    return {name: x for name, x in metrics.items() if not name.startswith("seconds")} | weights


def recorded(folder: Path, paired: bool, threads: int) -> dict[str, Any]:
    r"""Numbers and words of `python -m equiv` on two recordings."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(SAMPLES, 2, generator=generator, dtype=torch.float64)

    for side, neurons in (("a", 8), ("b", 6)):
        weight, phase = (torch.randn(k, neurons, generator=generator, dtype=torch.float64) for k in (2, 1))
        values, slopes = (x @ weight + phase).sin(), (x @ weight + phase).cos()
        frames = (slopes[:, :, None] * weight.T).contiguous()
        save_file({"values": values, "frames": frames}, folder / f"{side}.safetensors")

    (folder / "anchors.csv").write_text("0,0\n1,1\n2,2\n")
    further = ["--paired"] if paired else ["--anchors", str(folder / "anchors.csv")]
    files = [str(folder / f"{side}.safetensors") for side in "ab"]

    return dict(flattened(json.loads(run(["-m", "equiv", *files, *further, "--json"], threads))))


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    r"""How far two of them are from each other, in words."""
    tensors = {name: x for name, x in one.items() if isinstance(x, torch.Tensor)}
    numbers = {name: x for name, x in one.items() if isinstance(x, float)}
    same = set(one) == set(other) and all(torch.equal(x, other[name]) for name, x in tensors.items())

    if same and all(x == other[name] for name, x in one.items() if name not in tensors):
        return "the same bits"

    words = [name for name, x in one.items() if isinstance(x, str | int) and x != other[name]]
    said = [f"{', '.join(words)} differ"] if words else ["the same words and counts"]
    off = {name: abs(x - other[name]) / max(abs(x), abs(other[name])) for name, x in numbers.items() if x}
    worst = max(off, key=off.__getitem__)
    said.append(f"numbers at most {off[worst]:.1g} of themselves apart ({worst})")

    if tensors:
        weights = max(
            float((x.double() - other[name].double()).norm() / x.double().norm().clamp_min(1e-30))
            for name, x in tensors.items()
        )
        said.append(f"weights at most {weights:.1g} of theirs")

    return ", ".join(said)


def main() -> None:
    rows = []

    with tempfile.TemporaryDirectory() as name:
        place, found = Path(name), {}

        for threads in (1, 2):
            cache = place / f"pictures_{threads}"
            found[threads], warm = (
                horse(place / f"{each}_{threads}", cache, threads) for each in ("cold", "warm")
            )
            rows.append(
                (
                    "the horse",
                    f"{threads}, no pictures in the cache, then pictures",
                    apart(found[threads], warm),
                )
            )
            print(*rows[-1], sep=" | ", flush=True)

        rows.append(("the horse", "1, then 2", apart(found[1], found[2])))
        print(*rows[-1], sep=" | ", flush=True)

        for paired in (True, False):
            kind = f"`python -m equiv`, {'paired' if paired else 'unpaired'}"
            first, *others = (recorded(place, paired, threads) for threads in (1, 2, 2))
            rows.append((kind, "2, then 2", apart(*others)))
            rows.append((kind, "1, then 2", apart(first, others[0])))
            print(*rows[-2:], sep="\n", flush=True)

    text = [
        "# The same again",
        "",
        f"A horse of {HORSE[3].rpartition('=')[2]} epochs, and recordings of {SAMPLES} samples of a surface.",
        "",
        "| what | threads | how far apart |",
        "| --- | --- | --- |",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    (ROOT / "benchmarks" / "results" / "threads.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()

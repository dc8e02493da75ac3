r"""Memory that each door says it would take, beside what it takes.

    python benchmarks/memory.py               # all cases: minutes
    python benchmarks/memory.py --only probe  # those whose name holds this

Every case is a process of its own, on one thread: data are made, a small call of the same door loads what is loaded
on first use, and the growth of the peak from there on is what the door takes. What it says is read from its own
refusals: `EQUIV_MEMORY_LIMIT` is raised from nearly nothing until it goes through. Linux only. Each row that is
measured is put into `benchmarks/results/memory.md`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "memory.md"
HEAD = """# Memory that each door says it would take, beside what it takes.

Within a limit of what is said: a thorough map that takes more is left out. Of what is freed the allocator of glibc
keeps more or less by chance, so that the same call takes up to 40 MiB more or less in another process.

| door | samples | neurons of each | directions | says, MiB | takes, MiB | says / takes |
|---|---|---|---|---|---|---|"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
LEAST_LIMIT = 1e-9  # GiB
# Samples, neurons of each network, directions of the inputs: of each door those that strain it differently.
CASES: dict[str, list[tuple[int, int, int]]] = {
    "compare, paired values": [(64, 40_000, 8), (500, 10_000, 8), (1500, 200, 8), (4000, 20, 4)],
    "compare, paired frames": [(300, 400, 20), (1000, 100, 8), (2000, 20, 4)],
    "compare, unpaired": [(2000, 10, 2), (1000, 200, 2)],
    "compare_layers": [(300, 5000, 8), (1500, 200, 8)],
    "reconstruct, values": [(1500, 200, 8)],
    "reconstruct, frames": [(500, 100, 8)],
    "select_neurons, frames": [(500, 60, 3)],
    "mahalanobis": [(3000, 20, 2)],
    "probe, neighbors": [(500, 2000, 10)],
    "probe, Jacobians": [(1000, 1000, 30), (500, 200, 300)],
    "equivalence_classes, values": [(100, 10_000, 8), (800, 200, 8)],
}


def door(name: str, n: int, neurons: int, directions: int) -> Callable[[], object]:
    r"""The call of a door on random smooth networks of these sizes; what it is given is made before."""
    import torch
    from torch import nn

    import equiv

    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(n, directions, generator=generator)

    def network() -> nn.Module:
        net = nn.Sequential(nn.Linear(directions, neurons), nn.Tanh())
        nn.init.normal_(net[0].weight, generator=generator)
        nn.init.normal_(net[0].bias, generator=generator)

        return net

    def observed() -> equiv.Observations:
        frames = "jacobian" if "frames" in name or name in ("compare, unpaired", "mahalanobis") else None

        return equiv.probe(network(), inputs, frames=frames)

    if name.startswith("probe"):
        net, kind = network(), "neighbors" if "neighbors" in name else "jacobian"

        return lambda: equiv.probe(net, inputs, frames=kind)

    sides = [observed() for _ in range(3 if name.startswith("equivalence") else 2)]
    values, frames = [side.values for side in sides], tuple(side.frames for side in sides)

    if name == "compare_layers":
        layers = [{"1": value, "2": value.square(), "3": value.exp()} for value in values]

        return lambda: equiv.compare_layers(*layers)

    calls: dict[str, Callable[[], object]] = {
        "compare": lambda: equiv.compare(*sides[:2], paired=name != "compare, unpaired"),
        "reconstruct": lambda: equiv.reconstruct(*values, frames=None if frames[0] is None else frames),
        "select_neurons": lambda: equiv.select_neurons(sides[0]),
        "mahalanobis": lambda: equiv.mahalanobis(sides[0]),
        "equivalence_classes": lambda: equiv.equivalence_classes(sides),
    }

    return calls[name.split(",")[0]]


def memory(field: str) -> int:
    r"""Bytes of this process now ("VmRSS") or at its peak ("VmHWM")."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))

    return int(line.split()[1]) * 1024


def measured(name: str, sizes: tuple[int, int, int]) -> dict[str, float]:
    r"""Bytes that a door says and takes, in this process."""
    door(name, 60, 12, min(sizes[2], 4))()
    call = door(name, *sizes)
    said, limit = float("nan"), LEAST_LIMIT
    before = memory("VmRSS")  # what a call that was refused has held may still stand there for the next
    while True:  # until it goes through
        os.environ["EQUIV_MEMORY_LIMIT"] = str(limit)

        try:
            call()
        except ValueError as error:
            found = re.search(r"of about (\S+) GiB", str(error))
            if found is None:
                raise
            said = float(found[1]) * 2**30
            limit = 1.01 * float(found[1])  # what is said has three digits
        else:
            return {"said": said, "taken": memory("VmHWM") - before}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--case", help="measure this in this process")
    options = parser.parse_args()

    if options.case:
        name, *sizes = json.loads(options.case)
        print(json.dumps(measured(name, tuple(sizes))))
        return

    rows = written()

    for name, several in CASES.items():
        for sizes in several if options.only in name else ():
            command = [sys.executable, __file__, "--case", json.dumps([name, *sizes])]
            done = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            said, taken = found["said"] / 2**20, found["taken"] / 2**20
            key = " | ".join([name, *(f"{size:,}" for size in sizes)])
            rows[key] = f"{said:.0f} | {taken:.0f} | {said / taken:.2f}"
            print(f"| {key} | {rows[key]} |", flush=True)
            RESULTS.write_text("\n".join([HEAD, *(f"| {k} | {row} |" for k, row in rows.items())]) + "\n")


def written() -> dict[str, str]:
    r"""The rows that are in the file of results."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]

    return {" | ".join(row[:4]): " | ".join(row[4:]) for row in cells if row[0] in CASES}


if __name__ == "__main__":
    main()

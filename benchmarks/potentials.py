r"""The eight networks of ANI-1x, pair by pair and without pairs of samples; what other measures say beside them.

    python benchmarks/potentials.py run --molecule peroxide --seconds 250   # goes on where the records end
    python benchmarks/potentials.py controls               # what must not come out equivalent
    python benchmarks/potentials.py peers --pairs 0-1      # Gromov-Wasserstein, with POT installed
    python benchmarks/potentials.py report                 # results/potentials.md and docs/figures/potentials.png

The weights are those of the wheel: pip install --no-deps torchani==2.2.4. Observed are the last hidden layer of the
network of the molecule's first heavy atom, on samples of each side's own, and few anchors; frames are turned at random.
*True error*: of T at 2,000 fresh states. *Ridge*: a linear map learned from 1,000 of these as pairs, its penalty the
best by its error at the others. *Gromov-Wasserstein*: as in `unpaired_peers.py`, of its settings the best by the true
error.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from equiv.transformation import jsonable
from lightning_modules.data.molecules import Molecule
from lightning_modules.data.scenes import SceneViews
from lightning_modules.evaluations.finding import fresh, relative_error
from lightning_modules.evaluations.potentials import Energies
from lightning_modules.figures.potentials import ensemble_figure
from lightning_modules.matcher import Match, Matcher
from lightning_modules.pretrained.potential import MEMBERS, ani
from lightning_modules.probed import Probed

RESULTS = Path(__file__).parent / "results"
FIGURE = Path(__file__).parent.parent / "docs" / "figures" / "potentials.png"
#: Samples of each side and anchors, by molecule.
SIZES = {"peroxide": (900, 3), "ammonia": (900, 3), "water_2d": (900, 3), "water_3d": (2500, 4)}
#: Name of a control: B's molecule, the relation, and how many of B's neurons are observed.
CONTROLS: dict[str, tuple[str, str, int | None]] = {
    "another molecule": ("ammonia", "same", None),
    "one neuron": ("peroxide", "same", 1),
    "stretched by 10 %": ("peroxide", "stretched", None),
}
HELD_OUT = 2000


def matched(
    molecule: str, spread: str, a: int, b: int, other: str, relation: str, neurons: int | None
) -> tuple[nn.Module, Any, Match]:
    r"""Two members, what they are shown, and their comparison."""
    samples, anchors = SIZES[molecule]
    scenes = Molecule(molecule), Molecule(other)
    views = SceneViews(*scenes, samples, samples, HELD_OUT, anchors, spread, 0, relation).prepare()
    pair = nn.Module()
    pair.network_a, pair.network_b = ani(molecule, a), ani(other, b)
    sides = Probed("network_a", ["body"]), Probed("network_b", ["body"], neurons)
    matcher = Matcher(views, *sides, anchors=anchors)

    return pair, views, matcher.compared(pair, *sides)


def record(molecule: str, spread: str, a: int, b: int, control: str | None = None) -> dict[str, Any]:
    r"""One pair of members, or a control."""
    start = time.process_time()
    other, relation, neurons = CONTROLS[control] if control else (molecule, "same", None)
    pair, views, match = matched(molecule, spread, a, b, other, relation, neurons)
    seconds = time.process_time() - start
    result = match.result

    return {
        "molecule": molecule,
        "spread": spread,
        "a": a,
        "b": b,
        "control": control,
        "verdict": str(result.verdict),
        "error_a_to_b": [float(x) for x in result.a_to_b.error],
        "error_b_to_a": [float(x) for x in result.b_to_a.error],
        **Energies(molecule)(pair, views, SimpleNamespace(last=match)).metrics,
        "left_out": [result.diagnostics.get(f"left_out_{side}") for side in "ab"],
        "seconds": seconds,
    }


def peer(molecule: str, spread: str, a: int, b: int) -> dict[str, Any]:
    r"""What Gromov-Wasserstein couplings make of the same samples and anchors, of all settings the best."""
    from unpaired_peers import by_coupling

    pair, views, match = matched(molecule, spread, a, b, molecule, "same", None)
    values, truth = fresh(pair, views, match)
    few = SimpleNamespace(a=match.observations[0], b=match.observations[1], anchors=views.anchors)
    start = time.process_time()
    found = [
        (relative_error(torch.from_numpy(predict(values.numpy())), truth), setting)
        for setting, predict in by_coupling(few, False)
    ]
    error, setting = min(found)
    seconds = time.process_time() - start

    return {
        "molecule": molecule,
        "spread": spread,
        "a": a,
        "b": b,
        "error": error,
        "setting": setting,
        "seconds": seconds,
    }


def median(values: list[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))


def summed(rows: list[dict[str, Any]]) -> str:
    r"""One row of the table: all pairs of one molecule."""
    known = [(row[f"true_error_{w}"], row[f"error_{w}"]) for row in rows for w in ("a_to_b", "b_to_a")]
    charted = [(truth, error) for truth, error in known if truth is not None]  # with a map
    true = [truth for truth, _ in charted]
    held = sum(error[1] <= truth <= error[2] for truth, error in charted)
    verdicts = [row["verdict"] for row in rows]
    cka, ridge = (
        [row[key] for row in rows for key in keys]
        for keys in (("linear_cka",), ("ridge_error_a_to_b", "ridge_error_b_to_a"))
    )
    cells = [
        rows[0]["molecule"],
        rows[0]["spread"],
        str(len(rows)),
        *(str(verdicts.count(each)) for each in ("equivalent", "inconclusive", "not_equivalent")),
        f"{100 * median(true):.2g}",
        f"{100 * max(true):.2g}",
        f"{held} of {len(charted)}",
        f"{100 * median([row['energy_error'] for row in rows if row['energy_error'] is not None]):.2g}",
        f"{min(cka):.2f} to {max(cka):.2f}",
        f"{100 * median(ridge):.2g}",
        f"{median([row['seconds'] for row in rows]):.1f}",
    ]

    return f"| {' | '.join(cells)} |"


def report(rows: list[dict[str, Any]], peers: list[dict[str, Any]]) -> str:
    r"""The tables, in Markdown."""
    said = (__doc__ or "").split("\n\n")
    columns = (
        "molecule | samples drawn | pairs | equivalent | inconclusive | not | true error, median % | largest % "
        "| within the bounds | energy error, median % | linear CKA | ridge with all pairs, median % | seconds"
    )
    lines = [
        "# Pretrained potentials without pairs",
        "",
        said[0].strip(),
        "",
        said[2].replace("\n", " ").strip(),
        "",
    ]
    lines += [f"| {columns} |", "|---" * 13 + "|"]
    pairs = [row for row in rows if row["control"] is None]
    keys = dict.fromkeys((row["molecule"], row["spread"]) for row in pairs)
    lines += [summed([row for row in pairs if (row["molecule"], row["spread"]) == key]) for key in keys]
    lines += [
        "",
        "## What must not come out equivalent",
        "",
        "| control | pair | verdict | linear CKA |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['control']} | {row['a']}-{row['b']} | {row['verdict'].replace('_', ' ')} | {row['linear_cka']:.2f} |"
        for row in rows
        if row["control"]
    ]

    if peers:
        lines += ["", "## Gromov-Wasserstein on the same samples and anchors", ""]
        lines += [
            "| molecule | pair | error % | setting, the best of all by this error | seconds |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {row['molecule']} | {row['a']}-{row['b']} | {100 * row['error']:.2g} | {row['setting']} "
            f"| {row['seconds']:.0f} |"
            for row in peers
        ]

    lines += [
        "",
        "## Pair by pair",
        "",
        "| molecule | drawn | pair | verdict | error % (bounds) | true | back % | true | CKA | ridge % | energy % |",
    ]
    lines += ["|---" * 11 + "|", *map(detailed, pairs)]

    return "\n".join(lines) + "\n"


def detailed(row: dict[str, Any]) -> str:
    def percent(value: Any) -> str:
        return "none" if value is None else f"{100 * float(value):.2g}"

    def bounds(error: list[Any]) -> str:
        return f"{percent(error[0])} ({percent(error[1])} to {percent(error[2])})"

    shown = [
        row[key] for key in ("true_error_a_to_b", "true_error_b_to_a", "ridge_error_a_to_b", "energy_error")
    ]
    there, back, ridge, energy = (percent(value) for value in shown)
    cells = [row["molecule"], row["spread"], f"{row['a']}-{row['b']}", row["verdict"].replace("_", " ")]
    cells += [bounds(row["error_a_to_b"]), there, bounds(row["error_b_to_a"]), back]
    cells += [f"{row['linear_cka']:.2f}", ridge, energy]

    return f"| {' | '.join(cells)} |"


def draw(rows: list[dict[str, Any]]) -> None:
    r"""The matrix of all members on peroxide, evenly drawn."""
    cka, ridge, errors = (torch.full((MEMBERS, MEMBERS), float("nan"), dtype=torch.float64) for _ in range(3))
    verdicts: list[list[str | None]] = [[None] * MEMBERS for _ in range(MEMBERS)]

    for row in rows:
        if (row["molecule"], row["spread"], row["control"]) == ("peroxide", "even", None):
            for i, j, way in ((row["a"], row["b"], "a_to_b"), (row["b"], row["a"], "b_to_a")):
                cka[i, j], ridge[i, j] = row["linear_cka"], row[f"ridge_error_{way}"]
                errors[i, j], verdicts[i][j] = row[f"true_error_{way}"], row["verdict"]

    title = "Eight pretrained potentials of molecular energy (ANI-1x), on hydrogen peroxide"
    ensemble_figure(cka, ridge, errors, verdicts, title).savefig(FIGURE, dpi=110)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("action", choices=("run", "controls", "peers", "report"))
    parser.add_argument("--molecule", choices=tuple(SIZES), default="peroxide")
    parser.add_argument("--spread", choices=("even", "random"), default="even")
    parser.add_argument("--pairs", default="", help="such as 0-1,3-4; all 28 by default")
    parser.add_argument("--seconds", type=float, default=250)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = {name: RESULTS / f"{name}.jsonl" for name in ("potentials", "potentials_peers")}
    rows, peers = (read(file) for file in files.values())

    if options.action == "report":
        (RESULTS / "potentials.md").write_text(report(rows, peers))
        draw(rows)

        return

    given = [tuple(map(int, each.split("-"))) for each in options.pairs.split(",") if each]
    pairs = given or list(itertools.combinations(range(MEMBERS), 2))
    wanted = [(a, b, None) for a, b in pairs]
    made, file, known = record, files["potentials"], rows

    if options.action == "controls":
        wanted = [(0, 1, name) for name in CONTROLS] + [(3, 4, name) for name in CONTROLS]
    elif options.action == "peers":
        made, file, known = peer, files["potentials_peers"], peers  # type: ignore[assignment]

    keys = ("molecule", "spread", "a", "b", "control")
    done = {tuple(row.get(key) for key in keys) for row in known}
    start = time.process_time()

    for a, b, control in wanted:
        asked = options.molecule, options.spread, a, b

        if (*asked, control) in done or time.process_time() - start > options.seconds:
            continue

        row = made(*asked, control) if control else made(*asked)
        print(json.dumps(row)[:300], flush=True)

        with file.open("a") as records:
            records.write(json.dumps(jsonable(row)) + "\n")


if __name__ == "__main__":
    main()

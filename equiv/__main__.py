r"""`python -m equiv a.npz b.npz`: compares recorded activations, and says the verdict as an exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from torch import Tensor

from equiv.compare import compare
from equiv.observe.observations import Observations
from equiv.observe.recorded import read_integers, read_layers, read_observations
from equiv.probing.compared import position_groups
from equiv.probing.inputs import ATTENTION_MASK
from equiv.probing.positions import POSITIONS, agreed_mask, positioned
from equiv.verdict import Verdict

__all__ = ["EXIT_CODES", "main"]

# What the program returns to the shell.
# [exit codes; chosen: only equivalence is success, and 1 and 2 are what Python and the shell say of failures]
EXIT_CODES = {
    Verdict.EQUIVALENT: 0,
    Verdict.A_DETERMINES_B: 10,
    Verdict.B_DETERMINES_A: 11,
    Verdict.NOT_EQUIVALENT: 12,
    Verdict.INCONCLUSIVE: 13,
}

# What it returns where it was called in a wrong way, or files do not hold what they should.
# [exit codes; derived: the one that argparse uses for arguments]
BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    r"""Compares the two files that are named, prints what was found, and returns the exit code.

    Arguments:
        arguments: Of the command line; None: those of this process.

    Raises:
        SystemExit: If the arguments are none that there are, with code 2.
    """
    given = _parser().parse_args(arguments)

    try:
        sides = _read((given.a, given.b), given.positions)
        groups, anchors = (
            None if file is None else read_integers(file) for file in (given.groups, given.anchors)
        )
        found = compare(
            *sides,
            paired=given.paired,
            groups=position_groups(groups, sides) if given.positions == "each" else groups,
            anchors=anchors,
            tolerance=given.tolerance,
        )

        if given.report is not None:
            found.report(given.report, anchors)
    except (ValueError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)

        return BAD_INPUT

    print(json.dumps(found.to_dict(), indent=2, allow_nan=False) if given.json else found.summary())

    return EXIT_CODES[found.verdict]


def _read(paths: Sequence[str], positions: str | None) -> list[Observations]:
    r"""What the files hold, with its positions as samples or summed up, if that is asked for."""
    if positions is None:
        return [read_observations(path) for path in paths]

    held = {path: read_layers(path) for path in paths}
    mask = agreed_mask({path: arrays for path, (arrays, _) in held.items()})

    return [_positioned(path, *held[path], positions, mask) for path in paths]


def _positioned(
    path: str, arrays: dict[str, Tensor], groups: Tensor | None, positions: str, mask: Tensor | None
) -> Observations:
    layers = {name: array for name, array in arrays.items() if name != ATTENTION_MASK}

    if len(layers) != 1:
        raise ValueError(
            f"{path!r} should hold one array of values, and perhaps 'groups' and {ATTENTION_MASK!r}, with --positions, "
            f"got {', '.join(map(repr, layers)) or 'none'}; frames have no positions, so leave them out."
        )

    values, inputs = positioned(next(iter(layers.values())), positions, path, mask)

    return Observations(values, groups=inputs if groups is None or inputs is None else groups[inputs])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m equiv",
        description="Have two networks learned the same thing? Compares recorded activations of A and of B.",
        epilog="Exit codes: "
        + ", ".join(f"{code} {verdict}" for verdict, code in EXIT_CODES.items())
        + f", {BAD_INPUT} bad input.",
    )
    files = (
        ".npy, .npz, .safetensors or .pt: values (n, d), alone or with 'frames' (n, d, m) and 'groups' (n,)"
    )
    parser.add_argument("a", help=f"activations of A: {files}")
    parser.add_argument("b", help="activations of B, likewise")
    parser.add_argument("--paired", action="store_true", help="row i of both files shows the same input")
    parser.add_argument(
        "--positions",
        choices=POSITIONS,
        help="of values with positions, tokens (n, T, d) or pictures (n, C, H, W): each is a sample and its input a "
        "group, or their mean, or the last",
    )
    parser.add_argument(
        "--groups", help="integer labels (n,) of samples that are no independent draws, .npy say"
    )
    parser.add_argument(
        "--anchors", help="without --paired: rows that show the same state, 'i,j' a line, .csv or .npy"
    )
    parser.add_argument(
        "--tolerance", type=float, default=0.05, help="largest error that counts as determined (%(default)s)"
    )
    parser.add_argument("--report", help="file to write a self-contained report to, report.html say")
    parser.add_argument("--json", action="store_true", help="print everything as JSON instead of a summary")

    return parser


if __name__ == "__main__":
    os.environ.setdefault("MKL_CBWR", "AUTO")  # products the same, wherever in memory factors lie
    sys.exit(main())

r"""`python -m equiv a.npz b.npz`: compares recorded activations, and says the verdict as an exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from equiv.compare import compare
from equiv.observe.recorded import read_integers, read_observations
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
        found = compare(
            read_observations(given.a),
            read_observations(given.b),
            paired=given.paired,
            groups=None if given.groups is None else read_integers(given.groups),
            anchors=None if given.anchors is None else read_integers(given.anchors),
            tolerance=given.tolerance,
        )

        if given.report is not None:
            found.report(given.report)
    except (ValueError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)

        return BAD_INPUT

    print(json.dumps(found.to_dict(), indent=2, allow_nan=False) if given.json else found.summary())

    return EXIT_CODES[found.verdict]


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
    sys.exit(main())

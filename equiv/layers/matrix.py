r"""What was found of all pairs of layers."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from equiv.checks import as_path, without_controls
from equiv.comparison import LOADERS
from equiv.findings.storage import read_result, write_result
from equiv.layers.matches import answering
from equiv.transformation import jsonable
from equiv.verdict import Interval, Verdict, error_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LayerMatrix", "Match", "restored_matrix"]

DESCRIPTION_FILE = "layers.json"

# Fields that hold a number for each pair of layers or for each layer.
NUMBERS = (
    *(f"{name}{end}" for name in ("a_to_b", "b_to_a") for end in ("", "_low", "_high")),
    "from_inputs_a",
    "from_inputs_b",
    "cka",
)


class Match(NamedTuple):
    r"""A layer of B that answers to one of A.

    Attributes:
        layer: Its name.
        a_to_b: Error of the map from A's layer to it.
        b_to_a: Error of the map back.
    """

    layer: str
    a_to_b: float
    b_to_a: float


@dataclass(frozen=True, eq=False, repr=False)
class LayerMatrix:
    r"""Every layer of A against every layer of B, both ways: what `equiv.compare_layers` found.

    Errors are RMS errors on fresh inputs over the spread of the layer that is mapped to. Row i is A's layer i and
    column j B's layer j in every matrix, so that an entry speaks of the same pair in all of them.

    Attributes:
        layers_a: Names of A's layers.
        layers_b: Names of B's.
        a_to_b: Errors from A's layer i to B's layer j, `(L_a, L_b)`; NaN where a layer never changes.
        a_to_b_low: Their lower bounds; `a_to_b_high` upper ones.
        a_to_b_high: Upper bounds.
        b_to_a: Errors from B's layer j to A's layer i, `(L_a, L_b)`; bounds likewise.
        b_to_a_low: Their lower bounds.
        b_to_a_high: Their upper bounds.
        verdicts: As of `equiv.compare` on values alone, for each pair, L_a lists of L_b.
        sentences: What was found of each pair, and why.
        from_inputs_a: Errors of A's layers learned from the inputs themselves, `(L_a,)`; NaN where none are known.
        from_inputs_b: The same of B's layers, `(L_b,)`.
        cka: Linear CKA, debiased, on the same samples, `(L_a, L_b)`.
        samples: How many there were.
        notes: What else has to be said: layers that were left out, groups of samples.
        tolerance: Largest error that still counts as determined.
        confidence: Level of the bounds.
    """

    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    a_to_b: Tensor
    a_to_b_low: Tensor
    a_to_b_high: Tensor
    b_to_a: Tensor
    b_to_a_low: Tensor
    b_to_a_high: Tensor
    verdicts: list[list[Verdict]]
    sentences: list[list[str]]
    from_inputs_a: Tensor
    from_inputs_b: Tensor
    cka: Tensor
    samples: int
    notes: tuple[str, ...] = ()
    tolerance: float = 0.05
    confidence: float = 0.95

    @cached_property
    def matches(self) -> list[Match | None]:
        r"""For each layer of A the layer of B that answers to it, with both errors; None where none does."""
        return [
            None if j is None else Match(self.layers_b[j], self.a_to_b[i, j].item(), self.b_to_a[i, j].item())
            for i, j in enumerate(answering(self.a_to_b, self.b_to_a))
        ]

    def errors(self, i: int, j: int) -> tuple[Interval, Interval]:
        r"""Errors of one pair, from A to B and back, with their bounds."""
        there, back = (
            Interval(*(getattr(self, f"{name}{end}")[i, j].item() for end in ("", "_low", "_high")))
            for name in ("a_to_b", "b_to_a")
        )

        return there, back

    def pairs(self) -> list[dict[str, Any]]:
        r"""A row for each pair of layers, as a table takes it: names, errors with bounds, verdict and CKA."""
        ends = [f"{name}{end}" for name in ("a_to_b", "b_to_a") for end in ("", "_low", "_high")]

        return [
            {"layer_a": named(a), "layer_b": named(b)}
            | {name: getattr(self, name)[i, j].item() for name in (*ends, "cka")}
            | {"verdict": str(self.verdicts[i][j])}
            for i, a in enumerate(self.layers_a)
            for j, b in enumerate(self.layers_b)
        ]

    def __repr__(self) -> str:
        matches = sum(match is not None for match in self.matches)

        return f"LayerMatrix({len(self.layers_a)} layers of A, {len(self.layers_b)} of B, {matches} answered)"

    def summary(self) -> str:
        r"""A line for each layer of A, and at the end one plain sentence."""
        width = max(len(without_controls(named(layer))) for layer in self.layers_a)
        rows = []

        for i, (name, match) in enumerate(zip(self.layers_a, self.matches, strict=True)):
            if match is None:
                found = "none of B's layers answers to it"
            else:
                there, back = self.errors(i, self.layers_b.index(match.layer))
                found = f"{named(match.layer)}: error {error_in_words(there, 'B')}, back {error_in_words(back, 'A')}"

            rows.append(f"  {without_controls(named(name)):<{width}}  {found}")

        counts = Counter(str(verdict).replace("_", " ") for row in self.verdicts for verdict in row)
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        answered = sum(match is not None for match in self.matches)

        lines = [
            f"{len(self.layers_a)} layers of A against {len(self.layers_b)} of B at {self.samples} samples",
            *rows,
            *(f"  {note}" for note in self.notes),
            "",
            "A layer answers to another where their errors, both ways, are smaller than those of other pairs let "
            "expect, even above the tolerance; equiv.compare of two layers says what would decide.",
            f"To {answered} of {len(self.layers_a)} layers of A a layer of B answers; of "
            f"{len(self.layers_a) * len(self.layers_b)} pairs {told} (tolerance {100 * self.tolerance:g} %, "
            f"bounds at {100 * self.confidence:g} %).",
        ]

        return "\n".join(map(without_controls, lines))

    def to_dict(self) -> dict[str, Any]:
        r"""JSON-ready, NaN as null, with the matches."""
        matches = [None if match is None else match._asdict() for match in self.matches]

        return jsonable(
            {field.name: getattr(self, field.name) for field in fields(self)} | {"matches": matches}
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        r"""Writes `layers.json` into `folder`, which is made if need be; `equiv.load` reads it."""
        path = as_path(folder, "folder")
        path.mkdir(parents=True, exist_ok=True)
        write_result(path / DESCRIPTION_FILE, self.to_dict(), {})

    def figure(self) -> Figure:
        r"""Both directed matrices and CKA beside each other, a `matplotlib.figure.Figure`."""
        from equiv.figures.layers import layer_figure

        return layer_figure(
            (self.a_to_b, self.a_to_b_low, self.a_to_b_high),
            (self.b_to_a, self.b_to_a_low, self.b_to_a_high),
            self.cka,
            list(map(named, self.layers_a)),
            list(map(named, self.layers_b)),
            self.tolerance,
        )

    def report(self, path: str | os.PathLike[str] = "report.html") -> Path:
        r"""Writes one self-contained HTML file, in which a click on a cell shows its comparison; returns its path."""
        from equiv.layers.page import write_page

        return write_page(self, path)


def named(layer: str) -> str:
    r"""What a layer is called for people: the network itself has no name."""
    return layer or "output"


def loaded(path: Path) -> LayerMatrix:
    r"""The matrix that was saved in a folder."""
    older = {each.name for each in fields(LayerMatrix)} | {"matches"}
    saved, _ = read_result(path / DESCRIPTION_FILE, frozenset(older))

    return restored_matrix(saved)


def restored_matrix(saved: Mapping[str, Any]) -> LayerMatrix:
    r"""The matrix of which these are the `to_dict()`."""
    known = {name: value for name, value in saved.items() if name != "matches"}
    known |= {name: _tensor(known[name]) for name in NUMBERS}
    known |= {name: tuple(known[name]) for name in ("layers_a", "layers_b", "notes")}
    known["verdicts"] = [[Verdict(verdict) for verdict in row] for row in known["verdicts"]]

    return LayerMatrix(**known)


def _tensor(entries: Sequence[Any]) -> Tensor:
    r"""Nested lists of numbers as they were saved, NaN as None and infinity as text."""

    def number(entry: Any) -> Any:
        if isinstance(entry, list):
            return [number(each) for each in entry]

        return math.nan if entry is None else float(entry)

    return torch.tensor(number(list(entries)), dtype=torch.float64)


LOADERS[DESCRIPTION_FILE] = loaded

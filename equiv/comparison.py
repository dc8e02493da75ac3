r"""The result of comparing two networks: verdict, errors, transformation and the evidence."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from equiv.checks import as_path, without_controls
from equiv.findings.direction import Direction, in_rows
from equiv.transformation import Map, NoMap, Transformation, build, describe, jsonable, part, without_copies
from equiv.verdict import (
    Sentence,
    Verdict,
    ambiguity_in_words,
    error_in_words,
    exchanged,
    guessed_template,
    share_in_words,
    templates,
)

__all__ = ["LOADERS", "MEASURES", "Comparison", "load"]

DESCRIPTION_FILE = "comparison.json"
TENSORS_FILE = "comparison.safetensors"
# A summary shows so many rows of diagnostics,
# [rows; chosen: with the lines around them they fill a screen]
SUMMARY_ROWS = 24

# and of each so much.
# [characters; chosen: the usual width of a terminal, with names]
SUMMARY_WIDTH = 100

# What reads a saved result, by the name of the file that describes it.
LOADERS: dict[str, Callable[[Path], Any]] = {}

MODULES = ("transformation", "chart_a", "chart_b")
DIRECTIONS = ("a_to_b", "b_to_a")

# What the usual measures of similarity are called, by their names in the diagnostics of paired comparisons.
MEASURES = {
    "linear_cka": "linear CKA",
    "debiased_cka": "linear CKA, debiased",
    "rbf_cka": "RBF CKA",
    "svcca": "SVCCA",
    "pwcca_a": "PWCCA of A",
    "pwcca_b": "PWCCA of B",
    "procrustes": "Procrustes",
    "rsa": "RSA",
    "mutual_knn": "mutual kNN",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    r"""What `equiv.compare` found.

    Attributes:
        verdict: "equivalent", "a_determines_b", "b_determines_a", "not_equivalent" or "inconclusive".
        a_to_b: The direction from A to B, with `.error`.
        b_to_a: The direction from B to A, with `.error`.
        transformation: Module from A's activations `(q, d_a)` to B's `(q, d_b)`, with `.inverse` and
            `.extrapolates(values)`. A direction in which there is no map raises a ValueError when it is
            called.
        symmetries: Number of isometries between the two input spaces that are consistent with the anchors
            (`math.inf` for a continuum), the transformation being one of them; 0 where none was found.
        coordinates_a: Intrinsic coordinates of A's samples, `(n_a, m)`, moved into B's frame of reference.
        coordinates_b: Intrinsic coordinates of B's samples, `(n_b, m)`, in input units.
        diagnostics: Named numbers and sentences. Names with a part `a` or `b` speak of that network, and sentences that
            name the networks are `equiv.verdict.Sentence`.
        sentence: The finding in one plain sentence, likewise.
        tolerance: Largest error that still counts as determined.
        confidence: Level of the bounds.
        chart_a: Chart of A, a module with `restrict`, `lift`, `frames`, `extrapolates` and `periods`; None
            where the comparison needed no chart.
        chart_b: Chart of B, likewise.
    """

    verdict: Verdict
    a_to_b: Direction
    b_to_a: Direction
    transformation: Transformation
    symmetries: float
    coordinates_a: Tensor
    coordinates_b: Tensor
    diagnostics: dict[str, Any]
    sentence: str
    tolerance: float = 0.05
    confidence: float = 0.95
    chart_a: nn.Module | None = None
    chart_b: nn.Module | None = None

    @property
    def mirrored(self) -> Comparison:
        r"""The same finding with the names A and B exchanged."""
        transformation = self.transformation

        return dataclasses.replace(
            self,
            verdict=self.verdict.mirrored,
            a_to_b=self.b_to_a,
            b_to_a=self.a_to_b,
            transformation=Transformation(_mirrored(transformation.back), _mirrored(transformation.there)),
            coordinates_a=self.coordinates_b,
            coordinates_b=self.coordinates_a,
            diagnostics=exchanged(self.diagnostics),
            sentence=exchanged(self.sentence),
            chart_a=self.chart_b,
            chart_b=self.chart_a,
        )

    def summary(self) -> str:
        r"""At most a screen of text that ends in one plain sentence."""
        directions = ("A to B", self.a_to_b, "B"), ("B to A", self.b_to_a, "A")
        rows = [("verdict", str(self.verdict))]
        rows += [(f"error {name}", error_in_words(each.error, target)) for name, each, target in directions]
        rows += [
            ("bounds hold on", share_in_words(min(each.share for _, each, _ in directions), self.confidence))
        ]
        rows += [("symmetries", _number(self.symmetries))]
        rows += [
            (f"ambiguity {name}", ambiguity_in_words(each.ambiguity, target))
            for name, each, target in directions
            if each.ambiguity != 0
        ]
        rows += [
            row for name, each, target in directions for row in in_rows(each, name, target, self.tolerance)
        ]
        known = self.diagnostics
        told = [name for name in known if not name.startswith("measures")][:SUMMARY_ROWS]
        rows += [(name.replace("_", " "), _clipped(_number(known[name]))) for name in told]
        chance = {
            name: f" (chance {each['high']:.2f})"
            for name, each in known.get("measures_by_chance", {}).items()
        }
        usual = [
            f"{MEASURES[name]} {value:.2f}{chance.get(name, '')}"
            for name, value in known.get("measures", {}).items()
            if value is not None and not math.isnan(value)
        ]
        rows += [("usual measures", ", ".join(usual))] if usual else []
        width = max(len(name) for name, _ in rows)
        lines = [f"  {name:<{width}}  {value}" for name, value in rows]

        return "\n".join(map(without_controls, ["Comparison of A and B", *lines, "", self.sentence]))

    def to_dict(self) -> dict[str, Any]:
        r"""JSON-ready: infinity as "inf", NaN as null; tensors and modules left out."""
        return jsonable(
            {
                "verdict": str(self.verdict),
                "a_to_b": self.a_to_b.to_dict(),
                "b_to_a": self.b_to_a.to_dict(),
                "symmetries": self.symmetries,
                "sentence": self.sentence,
                "tolerance": self.tolerance,
                "confidence": self.confidence,
                "diagnostics": self.diagnostics,
            }
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        r"""Writes `comparison.json` and `comparison.safetensors` into `folder`, which is made if need be."""
        from safetensors.torch import save_file

        path = as_path(folder, "folder")
        path.mkdir(parents=True, exist_ok=True)
        tensors = {"coordinates_a": self.coordinates_a, "coordinates_b": self.coordinates_b}

        for name in DIRECTIONS:
            if (components := getattr(self, name).components) is not None:
                tensors[f"{name}.directions"] = components.directions

        modules = {name: module for name in MODULES if (module := getattr(self, name)) is not None}

        for name, module in modules.items():
            tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}

        stored, aliases = without_copies(tensors)
        description = self.to_dict() | {
            "modules": {name: describe(module) for name, module in modules.items()},
            "aliases": aliases,
        }
        described = [self.sentence, self.diagnostics, description["modules"]]
        description["templates"] = templates(described, lambda text: getattr(text, "template", None))
        save_file(stored, path / TENSORS_FILE)
        (path / DESCRIPTION_FILE).write_text(json.dumps(description, indent=2, allow_nan=False) + "\n")

    def report(self, path: str | os.PathLike[str] = "report.html") -> Path:
        r"""Writes one self-contained interactive HTML file and returns its path."""
        from equiv.report.report import write_report

        return write_report(self, path)


def load(folder: str | os.PathLike[str]) -> Any:
    r"""The comparison or the matrix of layers that was saved in a folder, bit for bit, on the CPU.

    Raises:
        ValueError: If the folder holds nothing that was saved.
    """
    path = as_path(folder, "folder")
    for name, loader in LOADERS.items():
        if (path / name).is_file():
            return loader(path)

    raise ValueError(
        f"'folder' should hold {' or '.join(LOADERS)}, as the method save of a result writes them, got "
        f"{str(folder)!r}; save a result there first."
    )


def _loaded(path: Path) -> Comparison:
    r"""The comparison that `Comparison.save` wrote."""
    from safetensors.torch import load_file

    if not (path / TENSORS_FILE).is_file():
        raise ValueError(
            f"'folder' should hold {DESCRIPTION_FILE} and {TENSORS_FILE}, as Comparison.save writes them, got "
            f"{str(path)!r} without the latter; copy both."
        )

    written = json.loads((path / DESCRIPTION_FILE).read_text())
    # Comparisons saved before templates were hold plain text alone.
    known = written["templates"] if "templates" in written else templates(written, guessed_template)
    saved = _from_json(written, known)
    tensors = load_file(path / TENSORS_FILE)
    tensors |= {name: tensors[original] for name, original in saved["aliases"].items()}
    modules: dict[str, Any] = {
        name: build(config, part(tensors, name)) for name, config in saved["modules"].items()
    }

    directions = {
        name: Direction.from_dict(saved[name], tensors.get(f"{name}.directions"), saved["symmetries"])
        for name in DIRECTIONS
    }

    return Comparison(
        verdict=Verdict(saved["verdict"]),
        a_to_b=directions["a_to_b"],
        b_to_a=directions["b_to_a"],
        symmetries=saved["symmetries"],
        coordinates_a=tensors["coordinates_a"],
        coordinates_b=tensors["coordinates_b"],
        diagnostics=saved["diagnostics"],
        sentence=saved["sentence"],
        tolerance=saved["tolerance"],
        confidence=saved["confidence"],
        **modules,
    )


LOADERS[DESCRIPTION_FILE] = _loaded


def _from_json(value: Any, known: dict[str, str]) -> Any:
    r"""What `jsonable` made JSON-ready, with the sentences that have templates."""
    if isinstance(value, dict):
        return {key: _from_json(entry, known) for key, entry in value.items()}

    if isinstance(value, list):
        return [_from_json(entry, known) for entry in value]

    if not isinstance(value, str):
        return value

    if value in ("inf", "-inf"):
        return float(value)

    return Sentence(known[value]) if value in known else value


def _mirrored(map_: Map) -> Map:
    r"""The same map; where there is none, a reason that names the networks the other way round."""
    return NoMap(exchanged(map_.reason)) if isinstance(map_, NoMap) else map_


def _number(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"

    if isinstance(value, float):
        return f"{value:.4g}"

    if isinstance(value, list):
        return ", ".join(_number(entry) for entry in value) or "none"

    return str(value)


def _clipped(text: str) -> str:
    return text if len(text) <= SUMMARY_WIDTH else f"{text[: SUMMARY_WIDTH - 3]}..."

r"""The result of comparing two networks: verdict, errors, transformation and the evidence."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from equiv.checks import as_path
from equiv.findings.direction import Direction
from equiv.findings.storage import read_result, write_result
from equiv.findings.summary import card, line
from equiv.findings.summary import details as in_detail
from equiv.findings.summary import summary as in_short
from equiv.transformation import Map, NoMap, Transformation, build, describe, jsonable, part, without_copies
from equiv.verdict import Sentence, Verdict, exchanged, guessed_template, templates

__all__ = ["LOADERS", "Comparison", "described", "load", "restored"]

DESCRIPTION_FILE = "comparison.json"
# What a description held before it had checksums; the older ones had no templates.
OLDER = frozenset(
    (
        "verdict",
        "a_to_b",
        "b_to_a",
        "symmetries",
        "sentence",
        "tolerance",
        "confidence",
        "diagnostics",
        "modules",
        "aliases",
        "templates",
    )
)

# What reads a saved result, by the name of the file that describes it.
LOADERS: dict[str, Callable[[Path], Any]] = {}

MODULES = ("transformation", "chart_a", "chart_b")
DIRECTIONS = ("a_to_b", "b_to_a")


@dataclass(frozen=True, eq=False, repr=False)
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

    Example:
        >>> import torch
        >>> from equiv.compare import compare
        >>> a = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
        >>> x = torch.rand(100, 2)
        >>> found = compare(a, nn.Sequential(a, nn.Linear(8, 3)), x)
        >>> print(found.summary().splitlines()[0])
        Verdict: equivalent (each network determines the other)
        >>> found.transformation(a(x)).shape
        torch.Size([100, 3])
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

    def summary(self, details: bool = False) -> str:
        r"""The answer in words, which ends in one plain sentence.

        Arguments:
            details: Whether all that it rests on follows, every number with its unit; otherwise at most a screen.
        """
        return in_detail(self) if details else in_short(self)

    def __repr__(self) -> str:
        return line(self)

    def _repr_html_(self) -> str:
        return card(self)

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
        path = as_path(folder, "folder")
        path.mkdir(parents=True, exist_ok=True)
        write_result(path / DESCRIPTION_FILE, *described(self))

    def report(
        self,
        path: str | os.PathLike[str] = "report.html",
        anchors: Tensor | Sequence[Sequence[int]] | None = None,
    ) -> Path:
        r"""Writes one self-contained interactive HTML file and returns its path.

        Arguments:
            path: The file; its folder has to exist.
            anchors: Those that `compare` was given, `(k, 2)`, to be drawn.
        """
        from equiv.report.report import write_report

        return write_report(self, path, anchors=anchors)


def described(result: Comparison) -> tuple[dict[str, Any], dict[str, Tensor]]:
    r"""A comparison as a JSON-ready description and tensors by name, from which `restored` makes it again."""
    tensors = {"coordinates_a": result.coordinates_a, "coordinates_b": result.coordinates_b}

    for name in DIRECTIONS:
        if (components := getattr(result, name).components) is not None:
            tensors[f"{name}.directions"] = components.directions

    modules = {name: module for name in MODULES if (module := getattr(result, name)) is not None}

    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}

    stored, aliases = without_copies(tensors)
    description = result.to_dict() | {
        "modules": {name: describe(module) for name, module in modules.items()},
        "aliases": aliases,
    }
    in_words = [result.sentence, result.diagnostics, description["modules"]]
    description["templates"] = templates(in_words, lambda text: getattr(text, "template", None))

    return description, stored


def load(folder: str | os.PathLike[str]) -> Any:
    r"""The comparison or the matrix of layers that was saved in a folder, bit for bit, on the CPU.

    Raises:
        ValueError: If the folder holds nothing that was saved, or something that was damaged or edited since.

    Example:
        >>> import tempfile, torch
        >>> from equiv.compare import compare
        >>> network = nn.Linear(2, 3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     compare(network, network, torch.rand(60, 2)).save(folder)
        ...     load(folder).verdict == "equivalent"
        True
    """
    path = as_path(folder, "folder")
    for name, loader in LOADERS.items():
        if (path / name).is_file():
            try:
                return loader(path)
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError) as error:
                raise ValueError(
                    f"'folder' should hold a result that this version of equiv knows, got {str(folder)!r}, where "
                    f"something is missing or of another kind ({type(error).__name__}: {error}); load it with the "
                    "version that saved it."
                ) from error

    raise ValueError(
        f"'folder' should hold {' or '.join(LOADERS)}, as the method save of a result writes them, got "
        f"{str(folder)!r}; save a result there first."
    )


def _loaded(path: Path) -> Comparison:
    return restored(*read_result(path / DESCRIPTION_FILE, OLDER))


LOADERS[DESCRIPTION_FILE] = _loaded


def restored(written: dict[str, Any], stored: dict[str, Tensor]) -> Comparison:
    r"""The comparison that `described` described, bit for bit."""
    # Comparisons saved before templates were hold plain text alone.
    known = written["templates"] if "templates" in written else templates(written, guessed_template)
    saved = _from_json(written, known)
    tensors = stored | {name: stored[original] for name, original in saved["aliases"].items()}
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

r"""One self-contained HTML file that shows all pairs of layers; a click on a cell shows its comparison."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from equiv.checks import as_path
from equiv.findings.storage import write_text
from equiv.report.markup import escape, percent, table
from equiv.report.page import page_html, versions

if TYPE_CHECKING:
    from equiv.layers.matrix import LayerMatrix

__all__ = ["write_page"]

# Cells are as blue as this where the error is a tenth of the tolerance, and as red where it is 1.
# [percent of the colour; chosen: letters stay readable on it in light and in dark]
DEEPEST = 55

# Where the first matrix stands on the page: its second section.
MATRIX = "s1"

STYLE = """
.layers td { padding: 0; text-align: center; }
.layers td a { display: block; padding: 0.25rem 0.4rem; color: inherit; text-decoration: none; }
.layers td a:hover, .layers td a:focus { outline: 2px solid var(--accent); }
.layers td.within { box-shadow: inset 0 0 0 2px var(--yes); }
.pair { display: none; }
.pair:target { display: block; }
.pairs:not(:has(.pair:target)) .unasked { display: block; }
.pairs:has(.pair:target) .unasked { display: none; }
"""


def write_page(matrix: LayerMatrix, path: str | os.PathLike[str]) -> Path:
    r"""Writes the matrix as one HTML file that needs no network, no library and no script for its cells.

    Arguments:
        matrix: What was found.
        path: The file; its folder has to exist.

    Returns:
        The path.
    """
    file = as_path(path, "path")
    sentence = matrix.summary().splitlines()[-1]
    head = (
        f"<style>{STYLE}</style>"
        f'<section class="card" aria-label="Finding"><h1>{len(matrix.layers_a)} layers of A against '
        f'{len(matrix.layers_b)} of B</h1><p class="lead">{escape(sentence)}</p>'
        + "".join(f'<p class="note">{escape(note)}</p>' for note in matrix.notes)
        + "</section>"
    )
    grids = (
        ("From A's layers to B's", 0, "how well a row determines a column"),
        ("From B's layers to A's", 1, "how well a column determines a row"),
    )
    parts = [("The layers that answer to each other", _matches(matrix))]
    parts += [(title, _grid(matrix, title, way, text)) for title, way, text in grids]
    parts += [("The pair that was clicked", _pairs(matrix)), ("Linear CKA, debiased", _similarity(matrix))]
    parts += [("From the inputs themselves", _inputs(matrix)), ("Versions", versions())]
    name = "Layers of two networks"
    write_text(file, page_html(name, name, head, parts))

    return file


def _matches(matrix: LayerMatrix) -> str:
    rows = [
        [
            layer or "output",
            *(["none", "", ""] if match is None else [match.layer or "output", *_shown(match[1:])]),
        ]
        for layer, match in zip(matrix.layers_a, matrix.matches, strict=True)
    ]
    text = (
        "Each layer answers to one of the other network, if their errors are smaller than those of other pairs of "
        "either: an embedding determines all layers, which says nothing of a pair."
    )

    return f"<p>{text}</p>" + table(
        "Layers that answer to each other", ["Layer of A", "Layer of B", "Error from A to B", "Back"], rows
    )


def _grid(matrix: LayerMatrix, title: str, way: int, text: str) -> str:
    r"""Errors from A to B (0) or back (1) as a table whose cells lead to their comparison."""
    header = "".join(f'<th scope="col">{escape(name or "output")}</th>' for name in matrix.layers_b)
    rows = []

    for i, name in enumerate(matrix.layers_a):
        cells = []

        for j, other in enumerate(matrix.layers_b):
            error = matrix.errors(i, j)[way]
            within = ' class="within"' if error.high < matrix.tolerance else ""
            undecided = "?" if error.low <= matrix.tolerance <= error.high else ""
            spoken = escape(f"{name or 'output'} of A, {other or 'output'} of B: {_one(error.estimate)}")
            cells.append(
                f'<td{within} style="background: {_colour(error.estimate, matrix.tolerance)}">'
                f'<a href="#pair-{i}-{j}" aria-label="{spoken}">{_one(error.estimate)}{undecided}</a></td>'
            )

        rows.append(f'<tr><th scope="row">{escape(name or "output")}</th>{"".join(cells)}</tr>')

    return (
        f"<p>Error on fresh inputs over the spread of the layer that is mapped to: {text}. Framed: surely within the "
        f"tolerance of {percent(matrix.tolerance)}; a question mark is undecided. A click shows a pair.</p>"
        f'<div class="pan" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table class="layers" aria-label="{escape(title)}"><thead><tr><td></td>{header}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _pairs(matrix: LayerMatrix) -> str:
    r"""The comparison of every pair, of which the one that was clicked is shown."""
    blocks = ['<p class="unasked note">None yet: click a cell of a matrix above.</p>']

    for i, a in enumerate(matrix.layers_a):
        for j, b in enumerate(matrix.layers_b):
            there, back = matrix.errors(i, j)
            rows = [
                ["A to B", *_shown(there), _one(matrix.from_inputs_b[j].item())],
                ["B to A", *_shown(back), _one(matrix.from_inputs_a[i].item())],
            ]
            verdict = matrix.verdicts[i][j]
            caption = f"{a or 'output'} of A and {b or 'output'} of B: {str(verdict).replace('_', ' ')}"
            blocks.append(
                f'<div class="pair" id="pair-{i}-{j}">'
                + table(
                    caption, ["Direction", "Error", "Lower bound", "Upper bound", "From the inputs"], rows
                )
                + f"<p>{escape(matrix.sentences[i][j])}</p>"
                f'<p class="note">Linear CKA, debiased: {_one(matrix.cka[i, j].item())}.</p>'
                f'<p><a href="#{MATRIX}">Back to the matrix</a></p></div>'
            )

    return f'<div class="pairs">{"".join(blocks)}</div>'


def _similarity(matrix: LayerMatrix) -> str:
    rows = [
        [name or "output", *_shown(row)]
        for name, row in zip(matrix.layers_a, matrix.cka.tolist(), strict=True)
    ]

    return "<p>No direction, no scale, no bound: what the usual heat map shows.</p>" + table(
        "Linear CKA, debiased", ["Layer of A", *(name or "output" for name in matrix.layers_b)], rows
    )


def _inputs(matrix: LayerMatrix) -> str:
    rows = [
        [side, name or "output", _one(error)]
        for side, names, errors in (
            ("A", matrix.layers_a, matrix.from_inputs_a),
            ("B", matrix.layers_b, matrix.from_inputs_b),
        )
        for name, error in zip(names, errors.tolist(), strict=True)
    ]
    text = (
        "What an error has to be held against: inputs often determine a layer better than another network does, and "
        "an untrained layer is told from a trained one only by what it lost."
    )

    return f"<p>{text}</p>" + table(
        "Errors of layers learned from the inputs", ["Network", "Layer", "Error"], rows
    )


def _shown(values: Iterable[float]) -> list[str]:
    return [_one(value) for value in values]


def _one(value: float) -> str:
    return "unknown" if math.isnan(value) else percent(value)


def _colour(error: float, tolerance: float) -> str:
    r"""Blue below the tolerance, red above it, the page's own at it, by the logarithm of the error."""
    if math.isnan(error):
        return "none"

    logarithm = math.log(max(error, 1e-12) / tolerance)
    deep = min(1.0, -logarithm / math.log(10) if logarithm < 0 else logarithm / -math.log(tolerance))

    return f"color-mix(in srgb, var(--{'a' if logarithm < 0 else 'b'}) {DEEPEST * deep:.0f}%, var(--card))"

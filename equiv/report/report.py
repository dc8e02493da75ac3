r"""One self-contained HTML file that says what a comparison found: `write_report`.

It needs no network and no library: pictures, style and script lie inside. Every figure has its numbers in a
table, works with keyboard, touch and screen reader, on paper, and in light and dark.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equiv.checks import as_path
from equiv.figures.drawing import as_array
from equiv.findings.storage import write_text
from equiv.findings.summary import answer
from equiv.report.agreement import error_map_html, registration_html
from equiv.report.angles import Reading, reading_of
from equiv.report.correspondence import DrawnPair, linked_pair
from equiv.report.linked_charts import linked_charts_html
from equiv.report.markup import diagnostic, escape, explained, flattened, in_words, number, percent, table
from equiv.report.measures import measures_table
from equiv.report.page import page_html, versions
from equiv.report.plots import bounds_svg, spectrum_svg
from equiv.report.sections import HeldOut, PictureStrip, Section, section_html, strip_html
from equiv.report.shared import shared_html
from equiv.verdict import Interval, Verdict, determines, parted

if TYPE_CHECKING:
    from equiv.comparison import Comparison

__all__ = ["write_report"]


# Settings that are shown without being asked for.
# [rows; chosen: half a screen]
OPEN_SETTINGS = 20


def write_report(
    result: Comparison,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    sections: Sequence[Section | PictureStrip] = (),
    settings: Mapping[str, Any] | None = None,
    anchors: object = None,
    held_out: HeldOut | None = None,
    origin: Sequence[str] = (),
) -> Path:
    r"""Writes a comparison as one self-contained interactive HTML file.

    Shown is what the comparison holds: charts linked by registration or by pairs, the error map, spectra
    where the diagnostics hold `eigenvalues_a` and `eigenvalues_b`, and whatever else they name.

    Arguments:
        result: The comparison.
        path: The file; its folder has to exist.
        title: What was compared, in a few words.
        sections: Further sections: picture strips and the first of the others come after the verdict, the rest after
            what the comparison shows.
        settings: What the run was told, nested as it likes; listed at the end.
        anchors: Rows of A's and of B's samples that show the same inputs, shape `(k, 2)`, to be drawn; None where
            none are known.
        held_out: Inputs that the comparison never saw, at which its true errors are mapped; None where there are none.
        origin: What made it, such as the command and the commit; stands below the title, with the date.

    Returns:
        The path.

    Raises:
        TypeError: If a section is neither a `Section` nor a `PictureStrip`, or its figure is no picture.
        ValueError: If a picture strip's rows, labels and angles do not fit together.
    """
    file = as_path(path, "path")
    name = title or "Comparison of two networks"
    name = name[0].upper() + name[1:]

    for section in sections:
        if not isinstance(section, Section | PictureStrip):
            raise TypeError(
                "'sections' should hold Section and PictureStrip of equiv.report.sections, "
                f"got {type(section).__name__}; wrap a figure in Section(title, figure=figure)."
            )

    strips = [part for part in sections if isinstance(part, PictureStrip)]
    told = [(part.title, section_html(part)) for part in sections if isinstance(part, Section)]
    pair = linked_pair(result, anchors)
    pictured = _pictured(pair, strips)
    parts = [(strip.title, strip_html(strip)) for strip in strips if strip is not pictured]

    if pair is None:
        parts += [
            *told[:1],
            ("The two charts", "<p>No chart could be computed, so there is nothing to draw.</p>"),
        ]
    else:
        reading = None if pictured is None else _reading(pair, pictured)
        pair = pair if reading is None else reading.pair(pair)
        heading = "The two charts" if pictured is None else pictured.title
        charts = [(heading, linked_charts_html(pair, pictured, reading))]
        parts += [*charts, *told[:1]] if pictured else [*told[:1], *charts]
        parts += _agreement(result, pair, held_out, reading)

    parts += [*_spectra(result), *told[1:]]
    parts += [("Determinacy", _determinacy(result))]

    if shared := shared_html(result):
        parts.append(("What is shared", shared))

    if "measures" in result.diagnostics:
        parts.append(("Usual measures of similarity", measures_table(result.diagnostics)))

    parts.append(("All diagnostics", _diagnostics(result)))
    parts += [("Settings and versions", _settings(settings or {}))]

    verdict = str(result.verdict).replace("_", " ")
    html = page_html(name, f"{name}: {verdict}", _verdict(result), parts, origin)
    write_text(file, html)

    return file


def _pictured(pair: DrawnPair | None, strips: Sequence[PictureStrip]) -> PictureStrip | None:
    r"""The pictures that are shown where a chart is touched; None where there are none, or no place is known."""
    if pair is None or not pair.aligned:
        return None

    return next((strip for strip in strips if strip.places is not None), None)


def _reading(pair: DrawnPair, strip: PictureStrip) -> Reading | None:
    places = as_array(strip.places[1], "places", 2)  # type: ignore[index]

    return reading_of(pair, places, as_array(strip.angles, "angles", 1))


def _verdict(result: Comparison) -> str:
    errors = (("A to B", "a", result.a_to_b.error), ("B to A", "b", result.b_to_a.error))
    finding, further = parted(result.sentence)
    headline, reasons = finding, further

    if result.verdict == Verdict.INCONCLUSIVE:
        headline = "Inconclusive: these samples do not decide it."
        before, _, why = finding.rpartition("Inconclusive: ")
        reasons = f"{before}{why[:1].upper()}{why[1:]} {further}"

    lead = f'<p class="lead">{escape(reasons)}</p>' if reasons.strip() else ""
    facts = "".join(
        f"<div><dt>{explained(term)}</dt><dd>{escape(value)}</dd></div>" for term, value in _facts(result)
    )

    return (
        f'<section class="card verdict {escape(result.verdict)}" aria-label="Verdict">'
        f"<h1>{escape(headline)}</h1>{lead}"
        f'<div class="evidence"><figure>{bounds_svg(errors, result.tolerance)}'
        f"<figcaption>{explained('Error')} of the map on fresh inputs, over the spread of the target, with "
        f"{percent(result.confidence)} bounds.</figcaption></figure>"
        f'<dl class="facts">{facts}</dl></div></section>'
    )


def _facts(result: Comparison) -> list[tuple[str, str]]:
    r"""The summary's rows but the errors, which are drawn, and what was compared."""
    known = result.diagnostics
    said: dict[str, list[str]] = {}

    for name, value in answer(result):
        said.setdefault(f"{name[:1].upper()}{name[1:]}", []).append(value)

    facts = [(name, "; ".join(values)) for name, values in said.items() if not name.startswith("Error ")]

    for term, key in (("Samples", "samples"), ("Neurons", "neurons"), ("Overlap", "overlap")):
        a, b = known.get(f"{key}_a"), known.get(f"{key}_b")
        shown = [percent(x) if isinstance(x, float) else number(x) for x in (a, b)]

        if set(shown) != {"unknown"}:
            facts.append((term, f"A {shown[0]}, B {shown[1]}"))

    if "anchors" in known:
        rejected = known.get("rejected_anchors") or []
        facts.append(("Anchors", f"{number(known['anchors'])}, {len(rejected) or 'none'} of them rejected"))

    return facts


def _agreement(
    result: Comparison, pair: DrawnPair, held_out: HeldOut | None, reading: Reading | None
) -> list[tuple[str, str]]:
    parts = [("Registration", registration_html(pair, result.diagnostics))] if pair.aligned else []
    error = error_map_html(result, pair, held_out, reading)
    name = "Error map" if held_out is None else "Where the true errors are"

    return [*parts, (name, error)] if error else parts


def _spectra(result: Comparison) -> list[tuple[str, str]]:
    found = [result.diagnostics.get(f"eigenvalues_{name}") for name in ("a", "b")]

    if any(values is None for values in found):
        return []

    a, b = (as_array(values, "eigenvalues", 1) for values in found)
    rows = [
        [k + 1, *(float(x[k]) if k < len(x) else None for x in (a, b))] for k in range(max(len(a), len(b)))
    ]
    text = (
        "Squared frequencies of each network's input space (eigenvalues of minus the Laplacian), in "
        "1/(input unit)². Equal ones are necessary for equivalence, and never enough."
    )

    return [
        (
            "Spectra",
            f'<p>{text}</p><div class="two"><figure>{spectrum_svg(a, b)}<figcaption>Circles A, squares B.'
            f"</figcaption></figure><div>{table('Eigenvalues', ['Number', 'A', 'B'], rows)}</div></div>",
        )
    ]


def _determinacy(result: Comparison) -> str:
    words = {True: "yes", False: "no", None: "undecided"}
    rows = []

    for claim, error in (("A determines B", result.a_to_b.error), ("B determines A", result.b_to_a.error)):
        found = words[determines(Interval(*error), result.tolerance)]
        rows.append([claim, found, *(percent(bound) for bound in error)])

    header = ["Claim", "By its error", "Estimate", "Lower bound", "Upper bound"]
    caption = (
        "Error of the transformation on fresh inputs over the spread of the target; "
        f"tolerance {percent(result.tolerance)}"
    )
    evidence = [[name, *both] for name, both in _by_suffix(result, "_a_to_b", "_b_to_a")]
    more = (
        table("Evidence for each direction", ["Quantity", "A to B", "B to A"], evidence) if evidence else ""
    )

    return (
        "<p>A network determines another when a continuous map carries its activations to the other's. That "
        "is taken as shown when the upper bound of the error is below the tolerance, and as refuted when the "
        "lower bound is above it; other evidence may withhold the verdict, and the sentence at the top then "
        "says so.</p>"
        f"{table(caption, header, rows)}{more}"
    )


def _by_suffix(result: Comparison, first: str, second: str) -> list[tuple[str, tuple[Any, Any]]]:
    r"""The diagnostics that come in twos, by the name that they share."""
    known = result.diagnostics

    return [
        (in_words(stem), (diagnostic(name, known[name]), diagnostic(name, known[stem + second])))
        for name in known
        if name.endswith(first) and (stem := name.removesuffix(first)) + second in known
    ]


def _diagnostics(result: Comparison) -> str:
    pairs = [[name, *both] for name, both in _by_suffix(result, "_a", "_b")]
    single = [
        [in_words(name), diagnostic(name, value)]
        for name, value in result.diagnostics.items()
        if not name.startswith("measures") and (not name.endswith(("_a", "_b")) or _alone(result, name))
    ]
    blocks = [table("Of each network", ["Quantity", "A", "B"], pairs)] if pairs else []
    blocks += [table("Of the comparison", ["Quantity", "Value"], single)] if single else []

    return f'<div class="tables">{"".join(blocks)}</div>'


def _alone(result: Comparison, name: str) -> bool:
    r"""Whether a diagnostic of one side, or of one direction, has no counterpart."""
    mirrored = {"_a_to_b": "_b_to_a", "_b_to_a": "_a_to_b", "_a": "_b", "_b": "_a"}
    suffix = next(end for end in mirrored if name.endswith(end))

    return name.removesuffix(suffix) + mirrored[suffix] not in result.diagnostics


def _settings(settings: Mapping[str, Any]) -> str:
    told = [[name, "none" if value is None else value] for name, value in flattened(settings)]
    block = table("Settings", ["Name", "Value"], told) if told else ""

    if len(told) > OPEN_SETTINGS:
        block = f"<details><summary>All {len(told)} settings</summary>{block}</details>"

    return block + versions()

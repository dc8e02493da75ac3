r"""The frame of a report: one HTML page that needs nothing from outside, with its style and its script inside."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from importlib import resources

from equiv.report.markup import escape, table

__all__ = ["installed", "page_html", "versions"]


# What all of it rests on.
PAPER = (
    "T. Bertalan, F. Dietrich, I. G. Kevrekidis: Transformations establishing equivalence across neural networks, "
    "Chaos 34 (2024), ",
    "https://doi.org/10.1063/5.0206406",
)


def page_html(
    name: str, title: str, head: str, parts: Sequence[tuple[str, str]], origin: Sequence[str] = ()
) -> str:
    r"""A page.

    Arguments:
        name: What it is about, above everything else.
        title: What the window is called.
        head: What comes first, HTML.
        parts: Heading (text) and content (HTML) of each section.
        origin: What made it; stands below the name, after today's date.
    """
    today = datetime.date.today()
    made = " · ".join((f"{today.day} {today:%B %Y}", *origin))
    contents = "".join(
        f'<li><a href="#s{k}">{escape(heading)}</a></li>' for k, (heading, _) in enumerate(parts)
    )
    body = "".join(
        f'<section class="card" id="s{k}" aria-labelledby="h{k}">'
        f'<h2 id="h{k}">{escape(heading)}</h2>{content}</section>'
        for k, (heading, content) in enumerate(parts)
    )

    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_asset('report.css')}</style></head><body>"
        '<a class="skip" href="#s0">Skip to the evidence</a>'
        f'<main><header><p class="kicker">{escape(name)}</p><p class="kicker">{escape(made)}</p></header>{head}'
        f'<nav aria-label="Contents"><details><summary>Contents</summary><ul>{contents}</ul></details></nav>'
        f'{body}</main><footer><p class="note">Made with equiv, after {PAPER[0]}<a href="{PAPER[1]}">'
        f'{PAPER[1].removeprefix("https://")}</a>.</p></footer><div id="tip" role="status"></div>'
        f"<script>{_asset('report.js')}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return resources.files("equiv.report").joinpath(name).read_text(encoding="utf-8")


def versions() -> str:
    r"""A table of the packages that computed it."""
    rows: list[list[object]] = [["Python", platform.python_version()]]
    rows += [[*pair] for pair in installed(("equiv", "torch", "numpy", "scipy", "safetensors")).items()]

    return table("Versions", ["Package", "Version"], rows)


def installed(packages: Iterable[str]) -> dict[str, str]:
    r"""Versions of packages by name."""
    found = {}

    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # used from a checkout that was not installed

    return found

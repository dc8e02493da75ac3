r"""The frame of a report: one HTML page that needs nothing from outside, with its style and its script inside."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from importlib import resources

from equiv.report.markup import escape, table

__all__ = ["installed", "page_html", "versions"]


def page_html(name: str, title: str, head: str, parts: Sequence[tuple[str, str]]) -> str:
    r"""A page.

    Arguments:
        name: What it is about, above everything else.
        title: What the window is called.
        head: What comes first, HTML.
        parts: Heading (text) and content (HTML) of each section.
    """
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
        f'<main><header><p class="kicker">{escape(name)}</p></header>{head}'
        f'<nav aria-label="Contents"><details><summary>Contents</summary><ul>{contents}</ul></details></nav>'
        f"{body}</main><script>{_asset('report.js')}</script></body></html>\n"
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

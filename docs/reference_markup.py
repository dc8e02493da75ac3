r"""Docstrings hold reStructuredText's roles for mathematics and its blocks of lines; the site's pages are Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

# A displayed formula: its line, and the indented ones below it.
DISPLAYED = re.compile(r"^( *)\.\. math::[ \t]*(.*(?:\n(?:\1 +.*| *(?=\n)))*)", re.MULTILINE)


def as_markdown(text: str) -> str:
    r"""Formulas as the site's scripts read them, and lines of references as a list."""
    text = re.sub(r":math:`([^`]*)`", lambda found: f"\\({' '.join(found[1].split())}\\)", text)
    text = DISPLAYED.sub(lambda found: f"{found[1]}\\[ {' '.join(found[2].split())} \\]\n", text)

    # A line that ends in an address ends a reference.
    return re.sub(r"^( +)\| +(.*)$", r"\1\2  ", text, flags=re.MULTILINE)


class ReferenceMarkup(griffe.Extension):
    r"""Rewrites every docstring before it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

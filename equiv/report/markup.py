r"""Text, numbers, tables and pictures as HTML that needs nothing from outside, everything escaped."""

from __future__ import annotations

import base64
import html
import json
import math
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equiv.findings.evidence import with_unit
from equiv.findings.meanings import meaning
from equiv.verdict import percent as in_percent

__all__ = [
    "Link",
    "data_uri",
    "diagnostic",
    "escape",
    "explained",
    "flattened",
    "in_words",
    "json_script",
    "number",
    "paragraphs",
    "percent",
    "png",
    "table",
]

_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

#: Parts of names that are not written as they are.
WORDS = {"a": "A", "b": "B", "deg": "(degrees)", "psnr": "(peak signal to noise, dB)", "n": "number of"}


@dataclass(frozen=True)
class Link:
    r"""A cell that leads to another file: its text and an address relative to the page."""

    text: str
    address: str


def escape(value: object) -> str:
    r"""Text that is safe between tags and inside quoted attributes."""
    return html.escape(str(value), quote=True)


def json_script(value: object) -> str:
    r"""JSON that is safe inside a script element: no character there can end it or open a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)

    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number(value: object, digits: int = 4) -> str:
    r"""A number, flag, list or anything else in words: four significant digits, a true minus, no NaN."""
    if value is None:
        return "unknown"

    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"

    if hasattr(value, "tolist"):  # a tensor, an array or one of NumPy's numbers
        return number(value.tolist(), digits)

    if isinstance(value, float):
        if math.isnan(value):
            return "unknown"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        return _powers(f"{value:.{digits}g}").replace("-", "−")

    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")

    if isinstance(value, list | tuple):
        return ", ".join(number(entry, digits) for entry in value) or "none"

    return str(value)


def _powers(text: str) -> str:
    r"""Text in which numbers such as 1e-05 are written as powers of ten."""
    return re.sub(r"(?<=\d)e([+-]\d+)", lambda found: f" × 10{str(int(found[1])).translate(_RAISED)}", text)


def diagnostic(name: str, value: object) -> str:
    r"""A diagnostic with its unit, in words."""
    return _powers(with_unit(name, value))


def percent(value: float) -> str:
    r"""A share as a percentage with two significant digits."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "unbounded"

    return f"{in_percent(value)}\u00a0%"  # a space that does not break


def in_words(name: str) -> str:
    r"""A name such as `error_a_to_b` as a phrase that begins with a capital: "Error A to B"."""
    words = " ".join(WORDS.get(word, word) for word in name.replace(".", ": ").replace("_", " ").split(" "))

    return words[:1].upper() + words[1:]


def paragraphs(text: str) -> str:
    r"""Text whose blank lines separate paragraphs."""
    return "".join(f"<p>{escape(' '.join(part.split()))}</p>" for part in text.split("\n\n") if part.strip())


def explained(words: str) -> str:
    r"""Words as HTML, with a question mark behind them where `equiv.findings` has a sentence on what they mean."""
    told = meaning(words)

    if told is None:
        return escape(words)

    return (
        f'{escape(words)}<button type="button" class="why" title="{escape(told)}" '
        f'aria-label="What does {escape(words)} mean?">?</button>'
    )


def table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[object]], *, named: bool = True
) -> str:
    r"""A table; the first column heads its rows, columns of numbers are set to the right.

    Its name stands above it, or is only told by a screen reader where `named` is False.
    """
    columns = list(zip(*rows, strict=True))[1:]
    place = [' class="n"' if all(isinstance(x, int | float | None) for x in each) else "" for each in columns]
    head = "".join(
        f'<th scope="col"{at}>{explained(name)}</th>' for name, at in zip(header, ["", *place], strict=True)
    )
    body = []

    for first, *others in rows:
        cells = [f"<td{at}>{_cell(x)}</td>" for x, at in zip(others, place, strict=True)]
        name = explained(first) if isinstance(first, str) else _cell(first)
        body.append(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>')

    name, content = escape(caption), f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"

    shown = f'<p class="note">{name}</p>' if named else ""

    return (
        f'{shown}<div class="wide{" many" if len(header) > 5 else ""}" tabindex="0" role="region" aria-label="{name}">'
        f'<table aria-label="{name}">{content}</table></div>'
    )


def _cell(value: object) -> str:
    if isinstance(value, Link):
        return f'<a href="{escape(value.address)}">{escape(value.text)}</a>'

    return escape(number(value))


def flattened(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    r"""Nested settings as rows of dotted names and values."""
    rows: list[tuple[str, Any]] = []

    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += flattened(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))

    return rows


def png(picture: NDArray[np.floating[Any]]) -> bytes:
    r"""A picture `(h, w, 3)` in `[0, 1]` (values outside are clipped, NaN is black) as a PNG file.

    Each row is stored as the difference to the row above (filter 2 of the PNG specification, section 9.2).
    """
    shades = np.nan_to_num(np.clip(picture, 0.0, 1.0) * 255.0).round().astype(np.uint8)
    h, w = shades.shape[:2]
    above = np.vstack([np.zeros((1, w, 3), np.uint8), shades[:-1]])
    rows = np.concatenate([np.full((h, 1), 2, np.uint8), (shades - above).reshape(h, -1)], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)  # eight bits of red, green and blue

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def data_uri(content: bytes, kind: str = "image/png") -> str:
    r"""Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"

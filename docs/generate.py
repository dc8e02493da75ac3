r"""The pages of this folder that are made from the code.

    python docs/generate.py    # docs/structure.md, docs/constants.md and docs/settings.md

A test holds them against the code and says when they are stale.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import settings

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "equiv"
# Rooms and single files of `equiv`, from the lowest: each imports from lines above its own alone.
LAYERS = (
    ("checks",),
    ("verdict", "transformation", "coordinates", "figures"),
    ("findings", "observe", "similarity", "supports"),
    ("comparison",),
    ("metric", "registration", "baselines", "probing"),
    ("report", "spectral", "regression", "flattening"),
    ("shared_part",),
    ("charts", "isometry", "paired", "observability"),
    ("unpaired", "classes", "layers"),
    ("compare",),
    ("__main__", "integrations"),
)


def rooms() -> list[str]:
    r"""The folders of the library, lowest layer first."""
    return [name for layer in LAYERS for name in layer if (LIBRARY / name).is_dir()]


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def first_sentence(path: Path) -> str:
    return " ".join(docstring(path).split("\n\n")[0].split()).rstrip(".")


def room_files(room: str) -> list[str]:
    r"""The files of a room in the order in which its docstring tells them."""
    lines = docstring(LIBRARY / room / "__init__.py").splitlines()

    return [line.split()[0] for line in lines if line.startswith("    ") and line[4:5].strip()]


def doors(room: str) -> list[str]:
    r"""What other rooms may import of this one, as `file.name`."""
    text = docstring(LIBRARY / room / "__init__.py").split("Doors:")[1].split("\n\n")[0]

    return re.findall(r"`([^`]+)`", text)


def structure() -> str:
    r"""docs/structure.md: the layers, and the rooms with their doors and files."""
    page = [
        "# The house: the rooms of `equiv`",
        "",
        "Made from the docstrings of the rooms by `python docs/generate.py`.",
        "",
        "Imports go one way: a room or file imports from layers above its own alone, and of other rooms their doors",
        "alone (`Comparison.report` imports the report inside the method: the one exception).",
        "",
        *(f"{level}. {', '.join(f'`{name}`' for name in layer)}" for level, layer in enumerate(LAYERS, 1)),
        "",
        "## On top",
        "",
        "| file | what it holds |",
        "|---|---|",
    ]
    singles = [name for layer in LAYERS for name in layer if name not in rooms()]
    page += [f"| `{name}.py` | {first_sentence(LIBRARY / f'{name}.py')} |" for name in singles]

    for room in rooms():
        page += [
            "",
            f"## `{room}/`",
            "",
            first_sentence(LIBRARY / room / "__init__.py") + ".",
            "Doors: " + (", ".join(f"`{door}`" for door in doors(room)) or "none") + ".",
            "",
            "| file | what it holds |",
            "|---|---|",
            *(
                f"| `{name}.py` | {first_sentence(LIBRARY / room / f'{name}.py')} |"
                for name in room_files(room)
            ),
        ]

    return "\n".join(page) + "\n"


KINDS = ("derived", "measured", "chosen")
# The end of the comment above a number: its unit, what kind of number it is, and where it comes from.
PROVENANCE = re.compile(r"\[([^\[\];]+); (derived|measured|chosen): (.+)\]$")
SENSITIVITY = ROOT / "benchmarks" / "results" / "sensitivity.json"


@dataclass(frozen=True)
class Number:
    r"""A named number of the library.

    Attributes:
        module: Where it stands, such as "equiv.metric.mahalanobis".
        name: Its name; `Class.field` in a dataclass of limits.
        value: As the code writes it.
        decides: What it decides, in words.
        unit: Of the value; None where that is unsaid, and then kind and source are, too.
        kind: "derived", "measured" or "chosen".
        source: How it was derived, by what it was measured, why the choice hardly matters.
    """

    module: str
    name: str
    value: str
    decides: str
    unit: str | None = None
    kind: str | None = None
    source: str | None = None


def _holds_numbers(node: ast.expr | None) -> bool:
    return node is not None and any(
        isinstance(part, ast.Constant)
        and isinstance(part.value, int | float)
        and not isinstance(part.value, bool)
        for part in ast.walk(node)
    )


def _comment_above(lines: list[str], row: int) -> str:
    r"""The comment that ends directly above a row, counted from 0, as one line."""
    first = row

    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1

    return " ".join(line.strip().removeprefix("#").strip() for line in lines[first:row])


def _numbers_of(path: Path) -> Iterator[Number]:
    text = path.read_text()
    lines = text.splitlines()
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    tree = ast.parse(text)
    limits = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Limits")]

    for owner, body in [("", tree.body), *((f"{node.name}.", node.body) for node in limits)]:
        for node in body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or not _holds_numbers(node.value):
                continue

            assert node.value is not None
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)

            if name == "__all__":
                continue

            said = PROVENANCE.search(_comment_above(lines, node.lineno - 1))
            decides = (
                _comment_above(lines, node.lineno - 1)
                if said is None
                else said.string[: said.start()].strip()
            )
            value = " ".join(ast.unparse(node.value).split())

            yield Number(module, owner + name, value, decides, *(said.groups() if said else ()))


def numbers() -> list[Number]:
    r"""All named numbers of the library: module-level ones, and fields of dataclasses called ...Limits."""
    order = {name: level for level, layer in enumerate(LAYERS) for name in layer}
    paths = [path for path in LIBRARY.rglob("*.py") if path.stem != "__init__"]
    place = {path: path.relative_to(LIBRARY).parts[0].removesuffix(".py") for path in paths}
    paths.sort(key=lambda path: (order[place[path]], place[path], path.stem))

    return [number for path in paths for number in _numbers_of(path)]


def constants() -> str:
    r"""docs/constants.md: every named number with unit, kind and source."""
    every = numbers()
    kinds = Counter(number.kind or "unsaid" for number in every)
    moved = json.loads(SENSITIVITY.read_text()) if SENSITIVITY.exists() else {}
    page = [
        "# The numbers of `equiv`",
        "",
        "Made from the comments above them by `python docs/generate.py`. *derived*: how; *measured*: by what;",
        "*chosen*: why that hardly matters. *moves*: how many of the verdicts of `benchmarks/sensitivity.py` change",
        "where the number is halved or doubled; empty where it was not tried.",
        "",
        "| kind | numbers |",
        "|---|---|",
        *(f"| {kind} | {kinds[kind]} |" for kind in (*KINDS, "unsaid")),
    ]
    module = None

    for number in every:
        if number.module != module:
            module = number.module
            page += ["", f"## `{module}`", "", "| name | value | unit | kind | decides; source | moves |"]
            page += ["|---|---|---|---|---|---|"]

        moves = moved.get(f"{number.module}.{number.name}", "")
        about = "; ".join(part for part in (number.decides, number.source) if part).replace("|", "\\|")
        value = number.value.replace("|", "\\|")
        page.append(
            f"| `{number.name}` | `{value}` | {number.unit or ''} | {number.kind or 'unsaid'} | {about} | {moves} |"
        )

    return "\n".join(page) + "\n"


PAGES = {"structure.md": structure, "constants.md": constants, "settings.md": settings.page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page())

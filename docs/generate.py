r"""The pages of this folder that are made from the code.

    python docs/generate.py    # docs/structure.md

A test holds them against the code and says when they are stale.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "equiv"
# Rooms and single files of `equiv`, from the lowest: each imports from lines above its own alone.
LAYERS = (
    ("checks", "verdict", "transformation", "coordinates", "figures"),
    ("comparison", "observe", "supports"),
    ("metric", "registration", "report", "baselines"),
    ("spectral", "regression", "flattening"),
    ("charts", "paired", "observability"),
    ("unpaired", "classes"),
    ("compare",),
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

    return text.replace("`", " ").replace(",", " ").rstrip(".\n ").split()


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
            "Doors: " + ", ".join(f"`{door}`" for door in doors(room)) + ".",
            "",
            "| file | what it holds |",
            "|---|---|",
            *(
                f"| `{name}.py` | {first_sentence(LIBRARY / room / f'{name}.py')} |"
                for name in room_files(room)
            ),
        ]

    return "\n".join(page) + "\n"


PAGES = {"structure.md": structure}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page())

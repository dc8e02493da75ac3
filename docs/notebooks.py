r"""The notebooks of `examples/notebooks`, run and written as pages with what they print and draw.

    python docs/notebooks.py [NAME ...]    # examples/notebooks/NAME.md and its figures; all without a name

A notebook is a script in jupytext's percent format: `# %% [markdown]` begins prose, `# %%` code. Jupyter opens it where
jupytext is installed; nothing but matplotlib is needed to run it here.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "examples" / "notebooks"
MARKDOWN = "[markdown]"


@dataclass(frozen=True)
class Cell:
    r"""A part of a notebook: prose in Markdown, or code."""

    prose: bool
    text: str


@dataclass(frozen=True)
class Shown:
    r"""What a cell of code prints, and the figures that it draws."""

    printed: str
    figures: Sequence[Any]


def names() -> list[str]:
    r"""The notebooks, in the order of their table."""
    return re.findall(r"\(([a-z_]+)\.md\)", (NOTEBOOKS / "README.md").read_text())


def cells(name: str) -> list[Cell]:
    r"""The cells of a notebook."""
    _, *parts = re.split(r"^# %%(.*)\n", (NOTEBOOKS / f"{name}.py").read_text(), flags=re.MULTILINE)
    found = []

    for mark, body in zip(parts[::2], parts[1::2], strict=True):
        prose = mark.strip() == MARKDOWN
        text = re.sub(r"^# ?", "", body, flags=re.MULTILINE) if prose else body
        found.append(Cell(prose, text.strip()))

    return found


def shown(name: str) -> list[Shown]:
    r"""What the cells of code of a notebook print and draw, run one after the other."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    plt.close("all")
    scope: dict[str, Any] = {"__name__": "notebook"}
    results = []

    for cell in cells(name):
        if cell.prose:
            continue

        printed = io.StringIO()

        with contextlib.redirect_stdout(printed):
            value = run(cell.text, scope)

        figures = [plt.figure(number) for number in plt.get_fignums()]
        results.append(Shown(printed.getvalue().rstrip(), figures + [value] * isinstance(value, Figure)))
        plt.close("all")

    return results


def run(code: str, scope: dict[str, Any]) -> Any:
    r"""The value of the expression that code ends in, which Jupyter shows; None where it ends in a statement."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "notebook", "exec"), scope)

    return None if last is None else eval(compile(ast.Expression(last.value), "notebook", "eval"), scope)


def page(name: str) -> str:
    r"""The page of a notebook, whose figures are written beside it."""
    from equiv.figures.panels import style

    with style():
        results = iter(shown(name))
        parts, drawn = [], 0

        for cell in cells(name):
            if cell.prose:
                parts.append(cell.text)
                continue

            parts.append(f"```python\n{cell.text}\n```")
            said = next(results)

            if said.printed:
                parts.append(f"```\n{said.printed}\n```")

            for figure in said.figures:
                drawn += 1
                path = NOTEBOOKS / "figures" / f"{name}_{drawn}.png"
                path.parent.mkdir(exist_ok=True)
                figure.savefig(path, dpi=120)
                parts.append(f"![{alternative(figure)}](figures/{path.name})")

    title, *rest = parts
    heading, _, first = title.partition("\n")
    made = f"[`{name}.py`]({name}.py), as `python docs/notebooks.py {name}` ran it."

    return "\n\n".join([heading, made, first.strip(), *rest]) + "\n"


def alternative(figure: Any) -> str:
    r"""What a figure shows, in words: its own label, or the titles of its panels."""
    titles = [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center")]

    return figure.get_label() or "; ".join(title for title in titles if title)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT)]

    for each in sys.argv[1:] or names():
        (NOTEBOOKS / f"{each}.md").write_text(page(each))

r"""The page of all settings, made from `conf/` and from the docstrings of what its files build."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONF = ROOT / "conf"
# A line of a file of settings: indentation, key, value, comment.
LINE = re.compile(r"^( *)([\w@/]+):(?: +([^#\s].*?))?(?: +# (.*))?$")
# An entry of a docstring's list of arguments.
ARGUMENT = re.compile(r"^(\w+(?:, \w+)*): ((?:.|\n)*?)(?=^\w+(?:, \w+)*: |\Z)", re.MULTILINE)


@dataclass(frozen=True)
class Setting:
    r"""One key of a file.

    Attributes:
        name: With those above it, by dots.
        value: As the file has it; empty where keys stand below.
        about: What it is, by the comment behind it, or by the docstring of what is built.
    """

    name: str
    value: str
    about: str


def groups() -> list[str]:
    r"""The folders of settings but experiments, which only choose among them, and what `debug` makes small."""
    order = re.findall(r"^  - (?:override )?/?(\w+):", (CONF / "config.yaml").read_text(), re.MULTILINE)

    return [name for name in order if (CONF / name).is_dir() and name not in ("experiment", "debug")]


@cache
def arguments(target: str) -> dict[str, str]:
    r"""What the docstring of a class or function of this repository says of its arguments."""
    module, _, name = target.rpartition(".")
    path = ROOT / (module.replace(".", "/") + ".py")

    if not path.is_file():
        return {}

    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            text = ast.get_docstring(node) or ""
            listed = re.search(r"^(?:Arguments|Attributes):\n((?: .*\n?|\n)*)", text, re.MULTILINE)
            body = re.sub(r"^    ", "", listed[1] if listed else "", flags=re.MULTILINE)

            return {
                each: " ".join(about.split())
                for names, about in ARGUMENT.findall(body)
                for each in names.split(", ")
            }

    return {}


def settings(path: Path) -> Iterator[Setting]:
    r"""The keys of a file, in its order."""
    above: list[tuple[int, str]] = []
    taken = [each for name in inherited(path) for each in settings(path.with_stem(name))]
    targets = {
        each.name.rpartition(".")[0]: each.value
        for each in taken
        if each.name.rpartition(".")[2] == "_target_"
    }
    text = path.read_text()

    for indent, key, value, comment in (
        found.groups() for line in text.splitlines() if (found := LINE.match(line))
    ):
        if key == "defaults":
            continue

        above = [(depth, name) for depth, name in above if depth < len(indent)]
        parent = ".".join(name for _, name in above)
        above.append((len(indent), key))

        if key == "_target_":
            targets[parent] = value

        if key != "_partial_":
            about = comment or arguments(targets.get(parent, "")).get(key, "")

            if value or about:
                yield Setting(f"{parent}.{key}".lstrip("."), value or "", about)


def inherited(path: Path) -> list[str]:
    r"""The files of the same group that a file takes over and changes."""
    head = re.match(r"(?:#.*\n)*defaults:\n((?:  - .*\n)+)", path.read_text())

    return re.findall(r"^  - (\w+)$", head[1], re.MULTILINE) if head else []


def page() -> str:
    r"""docs/settings.md: every option of every group."""
    lines = [
        "# Every setting",
        "",
        "Made from `conf/` and the docstrings of what its files build by `python docs/generate.py`. How to set",
        "them, and what keys stand above these groups: [running](running.md#settings).",
        "",
        "`python run.py experiment=NAME GROUP=FILE GROUP.KEY=VALUE`; `${...}` is the value of another setting.",
        "",
        "## Experiments",
        "",
        "| `experiment=` | what it is |",
        "|---|---|",
    ]

    for path in sorted((CONF / "experiment").glob("*.yaml")):
        said = re.search(r"^description: (.*)$", path.read_text(), re.MULTILINE)
        lines.append(f"| `{path.stem}` | {_cell(said[1]) if said else 'as the one that it takes over'} |")

    for group in groups():
        lines += ["", f"## `{group}`"]

        for path in sorted((CONF / group).glob("*.yaml")):
            taken = inherited(path)
            lines += ["", f"### `{group}={path.stem}`", ""]

            if taken:
                lines += [f"As {' and '.join(f'`{group}={name}`' for name in taken)}, but:", ""]

            found = list(settings(path))
            lines += ["| key | value | what it is |", "|---|---|---|"] if found else ["Nothing is set."]
            lines += [
                f"| `{each.name}` | {f'`{_cell(each.value)}`' if each.value else ''} | {_cell(each.about)} |"
                for each in found
            ]

    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r":math:`([^`]*)`", r"`\1`", text).replace("|", "\\|")

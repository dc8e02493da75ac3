"""The house keeps its shape: who may import whom, how long a file may be, how fast `import equiv` is."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import generate
import pytest

ROOT = Path(__file__).parent.parent
MOST_FILES_ON_TOP, MOST_FILES_IN_A_ROOM = 9, 14
NOT_FOR_THE_LIBRARY = {
    "pytorch_lightning",
    "lightning",
    "hydra",
    "omegaconf",
    "wandb",
    "rich",
    "sklearn",
    "trimesh",
}
SLOW_TO_IMPORT = {"scipy", "threadpoolctl", "matplotlib", "plotly", "sklearn"}


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    """Full names of the modules that a file imports; names imported from a package count as its modules."""
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def place(path: Path) -> str:
    """The room that a file of the library is in; its own name where it stands on top."""
    inside = path.relative_to(ROOT / "equiv").parts

    return inside[0].removesuffix(".py")


LEVEL = {name: level for level, layer in enumerate(generate.LAYERS) for name in layer}


@pytest.mark.parametrize("path", files("equiv"), ids=lambda path: str(path.relative_to(ROOT / "equiv")))
def test_library_imports_go_one_way(path: Path) -> None:
    names = imported(path)
    if place(path) != "integrations":  # each of which is for one of them, and imported only when used
        assert not {name.split(".")[0] for name in names} & NOT_FOR_THE_LIBRARY
    assert not {name.split(".")[0] for name in names} & {"callbacks", "lightning_modules", "run", "sweeps"}
    if path == ROOT / "equiv" / "__init__.py":
        return
    own = place(path)
    assert own in LEVEL, f"add {own} to LAYERS in docs/generate.py, where it belongs"
    inside = {name.split(".")[1] for name in names if name.startswith("equiv.")} & set(LEVEL) - {own}
    if own == "comparison":
        inside -= {"report"}  # Comparison.report imports it inside the method: the one exception
    above = {name for name in inside if LEVEL[name] >= LEVEL[own]}
    assert not above, f"{path.name} imports {above}, which stand no lower than it in LAYERS"


@functools.cache
def imports_by_name(path: Path) -> set[str]:
    """`room.file.name` of all that a file imports from rooms of the library."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]

    return {
        f"{node.module}.{alias.name}".removeprefix("equiv.")
        for node in nodes
        if (node.module or "").startswith("equiv.")
        for alias in node.names
    }


@pytest.mark.parametrize("room", generate.rooms())
def test_rooms_are_entered_by_their_doors_and_every_door_is_used(room: str) -> None:
    outside = [path for path in files("equiv") if place(path) != room]
    program = [path for folder in ("lightning_modules", "callbacks", "sweeps") for path in files(folder)]
    entered = {name for path in outside + program for name in imports_by_name(path)}
    through = {name.removeprefix(f"{room}.") for name in entered if name.startswith(f"{room}.")}
    # A whole file counts as entered where it is imported by its own name, as figures are.
    listed = set(generate.doors(room))
    assert through == listed, (
        f"doors of {room} that are not listed, or listed and never used: {through ^ listed}"
    )


@pytest.mark.parametrize("room", generate.rooms())
def test_rooms_say_what_they_hold(room: str) -> None:
    tree = ast.parse((ROOT / "equiv" / room / "__init__.py").read_text())
    assert len(tree.body) == 1, "the __init__.py of a room is a docstring and nothing else"
    held = {path.stem for path in (ROOT / "equiv" / room).glob("*.py")} - {"__init__"}
    assert held == set(generate.room_files(room))
    assert len(held) <= MOST_FILES_IN_A_ROOM
    assert not [
        path for path in (ROOT / "equiv" / room).iterdir() if path.is_dir() and path.name != "__pycache__"
    ]


def test_few_files_stand_on_top() -> None:
    # Python itself says where the file behind `python -m equiv` is.
    on_top = [path for path in (ROOT / "equiv").glob("*.py") if path.stem != "__main__"]

    assert len(on_top) <= MOST_FILES_ON_TOP


def test_every_number_says_its_unit_its_kind_and_its_source() -> None:
    unsaid = [f"{number.module}.{number.name}" for number in generate.numbers() if number.kind is None]
    assert not unsaid, "end the comment above with [unit; derived, measured or chosen: source]"


@pytest.mark.parametrize("name", generate.PAGES)
def test_pages_made_from_the_code_are_not_stale(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    assert text == generate.PAGES[name](), "run python docs/generate.py"


@pytest.mark.parametrize("path", files("equiv"), ids=lambda path: path.name)
def test_library_imports_slow_packages_late(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path, top_level_only=True)} & SLOW_TO_IMPORT


@pytest.mark.parametrize("folder", ["equiv", "lightning_modules", "callbacks", "benchmarks"])
def test_least_squares_name_their_method(folder: str) -> None:
    # The default one on a processor takes its first pivots from memory that nothing has written to, so that it
    # finds other last digits in another process: `tests/test_repeated.py`.
    calls = [
        node
        for path in files(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "lstsq"
    ]
    unnamed = [
        ast.unparse(call)
        for call in calls
        if ast.unparse(call.func) == "torch.linalg.lstsq"
        and {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}.get("driver")
        not in ("'gels'", "'gelsd'")
    ]
    assert not unnamed


@pytest.mark.parametrize("path", files("callbacks"), ids=lambda path: path.name)
def test_callbacks_do_not_import_modules(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"lightning_modules", "run", "sweeps"}


@pytest.mark.parametrize("path", files("lightning_modules"), ids=lambda path: path.name)
def test_modules_do_not_import_callbacks(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"callbacks", "run", "sweeps"}


def test_import_brings_no_slow_package() -> None:
    code = "import torch, sys; before = set(sys.modules); import equiv; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    assert any(name.startswith("equiv") for name in loaded)
    assert not {name.split(".")[0] for name in loaded} & (SLOW_TO_IMPORT | NOT_FOR_THE_LIBRARY)

"""The house keeps its shape: who may import whom, how long a file may be, how fast `import equiv` is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Imports inside `equiv` go one way, from the end of the listing in docs/structure.md to its beginning.
ORDER = re.findall(r"^\| `(\w+)\.py` \|", (ROOT / "docs" / "structure.md").read_text(), flags=re.MULTILINE)
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
SLOW_TO_IMPORT = {"scipy", "matplotlib", "plotly", "sklearn"}


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


@pytest.mark.parametrize("path", files("equiv"), ids=lambda path: path.name)
def test_library_imports_go_one_way(path: Path) -> None:
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & NOT_FOR_THE_LIBRARY
    assert not {name.split(".")[0] for name in names} & {"callbacks", "lightning_modules", "run", "sweeps"}
    if path.stem == "__init__":
        return
    assert path.stem in ORDER, f"add {path.stem} to docs/structure.md, where it belongs"
    inside = {name.split(".")[1] for name in names if name.startswith("equiv.")} & set(ORDER)
    if path.stem == "comparison":
        inside -= {"report"}  # Comparison.report imports it inside the method: the one exception
    late = {name for name in inside if ORDER.index(name) >= ORDER.index(path.stem)}
    assert not late, f"{path.name} imports {late}, which stand after it in ORDER"


@pytest.mark.parametrize("path", files("equiv"), ids=lambda path: path.name)
def test_library_imports_slow_packages_late(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path, top_level_only=True)} & SLOW_TO_IMPORT


@pytest.mark.parametrize("path", files("callbacks"), ids=lambda path: path.name)
def test_callbacks_do_not_import_modules(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"lightning_modules", "run", "sweeps"}


@pytest.mark.parametrize("path", files("lightning_modules"), ids=lambda path: path.name)
def test_modules_do_not_import_callbacks(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"callbacks", "run", "sweeps"}


def test_run_is_short() -> None:
    assert len((ROOT / "run.py").read_text().splitlines()) < 80


def test_import_brings_no_slow_package() -> None:
    code = "import torch, sys; before = set(sys.modules); import equiv; print(*(set(sys.modules) - before))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    assert any(name.startswith("equiv") for name in loaded)
    assert not {name.split(".")[0] for name in loaded} & (SLOW_TO_IMPORT | NOT_FOR_THE_LIBRARY)

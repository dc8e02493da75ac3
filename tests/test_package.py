r"""What `import equiv` gives, and that its docstring leads a reader of the paper to each of its steps."""

import tomllib
from pathlib import Path

import equiv

ROOT = Path(__file__).parent.parent
PUBLIC = [
    "Classes",
    "Comparison",
    "Components",
    "Direction",
    "DiffusionMaps",
    "GalerkinMaps",
    "Interval",
    "IsometricMaps",
    "LayerMatrix",
    "Observations",
    "Reconstruction",
    "Verdict",
    "compare",
    "compare_layers",
    "density_weights",
    "equivalence_classes",
    "load",
    "mahalanobis",
    "probe",
    "reconstruct",
    "select_coordinates",
    "select_neurons",
]


def test_public_names_are_those_of_the_contract() -> None:
    assert sorted(equiv.__all__) == sorted(PUBLIC)
    assert all(getattr(equiv, name).__doc__ for name in PUBLIC)


def test_dir_shows_public_names_alone() -> None:
    assert dir(equiv) == sorted([*PUBLIC, "__version__"])


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert equiv.__version__ == project["version"]


def test_the_docstring_names_every_room_and_what_is_public() -> None:
    assert equiv.__doc__ is not None
    rooms = {path.parent.name for path in (ROOT / "equiv").glob("*/__init__.py")}
    # `integrations` and whatever else needs an extra would stand beside the algorithm.
    assert not [room for room in rooms if f"[{room}]" not in equiv.__doc__]
    assert not [name for name in PUBLIC if f"`{name}" not in equiv.__doc__]


def test_the_docstring_has_the_symbols_of_the_paper() -> None:
    assert equiv.__doc__ is not None
    for symbol in (
        r"y = \varphi(x)",
        r"C = J J^\top",
        r"\epsilon",
        r"\alpha",
        r"\psi_k",
        r"T = \ell_B",
        "2m + 1",
    ):
        assert symbol in equiv.__doc__

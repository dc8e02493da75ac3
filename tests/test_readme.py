r"""What the README, the tutorial and the page on networks of one's own show runs, and prints what stands below."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent


def held_against_page(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    r"""Runs blocks of Python in turn, and looks for the lines of the block below each in what it prints."""
    blocks = re.findall(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", page, re.DOTALL)
    names: dict[str, object] = {}

    with torch.random.fork_rng():
        for script, shown in blocks:
            exec(compile(script, "page", "exec"), names)
            # Numbers differ between machines, words do not.
            said, told = (
                re.sub(r"\d[\d.e-]*", "", text)
                for text in (capsys.readouterr().out, shown.replace("...", ""))
            )
            assert all(line in said.splitlines() for line in told.splitlines() if line.strip())


README = (ROOT / "README.md").read_text()


def test_ten_lines_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    held_against_page(README.partition("Eight outputs")[0], capsys)


def test_every_page_is_on_the_site() -> None:
    site = (ROOT / "mkdocs.yml").read_text()
    pages = [
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs/experiments").glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]

    assert not [path.name for path in pages if path.relative_to(ROOT).as_posix() not in site]


def test_formulas_name_functions_that_are_there() -> None:
    named = set(re.findall(r"`(equiv\.[a-z_.]+)\.(\w+)`", (ROOT / "docs/mathematics.md").read_text()))

    assert len(named) > 30
    assert not [f"{module}.{name}" for module, name in named if not hasattr(import_module(module), name)]


@pytest.mark.slow
def test_all_blocks_of_the_readme(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    held_against_page(README.partition("## More doors")[0], capsys)
    assert (tmp_path / "layers.html").is_file()


@pytest.mark.slow
def test_page_on_networks_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    held_against_page(
        (ROOT / "docs/own_networks.md").read_text().partition("## In a Lightning run")[0], capsys
    )


@pytest.mark.slow
def test_tutorial(capsys: pytest.CaptureFixture[str]) -> None:
    held_against_page((ROOT / "docs/tutorial.md").read_text(), capsys)

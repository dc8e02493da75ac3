r"""The notebooks: their pages hold what the scripts say, and print and draw what the scripts do now."""

import re
import time
from pathlib import Path

import notebooks
import pytest
import torch

PAGES = Path(__file__).parent.parent / "examples" / "notebooks"


def shown_on(page: str) -> str:
    r"""What the blocks of output of a page hold."""
    without_code = re.sub(r"^```python\n.*?^```\n", "", page, flags=re.DOTALL | re.MULTILINE)

    return "\n".join(re.findall(r"^```\n(.*?)^```\n", without_code, re.DOTALL | re.MULTILINE))


def words(text: str) -> list[str]:
    r"""The lines without their numbers, which differ between machines."""
    return [re.sub(r"\d[\d.e-]*|below |inf", "", line) for line in text.splitlines() if line.strip()]


def test_every_notebook_has_its_page_in_the_table() -> None:
    assert {path.stem for path in PAGES.glob("*.py")} == set(notebooks.names())
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(notebooks.names())


@pytest.mark.parametrize("name", notebooks.names())
def test_pages_say_what_the_scripts_say(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()
    place = 0

    for cell in notebooks.cells(name):
        for part in cell.text.split("\n", 1) if cell.prose and cell.text.startswith("# ") else [cell.text]:
            place = page.find(part.strip(), place)
            assert place >= 0, f"python docs/notebooks.py {name}"
            place += len(part.strip())


@pytest.mark.slow
@pytest.mark.parametrize("name", notebooks.names())
def test_notebooks_print_and_draw_what_their_pages_show(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()
    started = time.process_time()

    with torch.random.fork_rng():
        results = notebooks.shown(name)

    printed = "\n".join(result.printed for result in results)
    assert words(printed) == words(shown_on(page))
    assert sum(len(result.figures) for result in results) == page.count("](figures/")
    assert time.process_time() - started < 60

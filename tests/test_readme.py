r"""What the README shows of the library runs, and prints what stands below it."""

import re
from pathlib import Path

import pytest
import torch

README = Path(__file__).parent.parent / "README.md"


def test_first_block_of_python_runs_and_says_what_stands_below(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    script, shown = found.groups()
    with torch.random.fork_rng():
        exec(compile(script, "README.md", "exec"), {})
    # Numbers differ between machines, words do not.
    said, told = (
        re.sub(r"\d[\d.e-]*", "", text) for text in (capsys.readouterr().out, shown.replace("...", ""))
    )
    assert all(line in said.splitlines() for line in told.splitlines() if line.strip())

r"""The recipes of `examples/`: each page has a script, and each script does what its page says."""

import runpy
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parent.parent / "examples"
SHOWS = {
    "two_modules": "leak b to a",
    "two_checkpoints": "The two are equivalent",
    "recorded_activations": "exit codes 0 and 10",
    "copies": "\ndistilled ",
    "lightning_run": "epoch 16: equivalent",
    "gate": "good.npy: released (exit code 0)\nbad.npy: held back (exit code 11)",
    "tokens": "60 groups, as given",
    "gpt2_layers": "To 7 of 7 layers of A a layer of B answers",
    "timm_vit": "To 6 of 6 layers of A a layer of B answers",
    "onnx_session": "exported   equivalent",
}
#: Libraries that recipes are about; a torchvision of another torch keeps timm from being imported.
LIBRARIES = {"gpt2_layers": "transformers", "timm_vit": "timm", "onnx_session": "onnxruntime"}


def test_every_page_has_a_script_and_is_in_the_table() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts == {path.stem for path in EXAMPLES.glob("*.md")} - {"README"} == set(SHOWS)
    table = (EXAMPLES / "README.md").read_text()
    assert all(f"({name}.md)" in table for name in scripts)
    assert all(f"({name}.py)" in (EXAMPLES / f"{name}.md").read_text() for name in scripts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:::pytorch_lightning", "ignore:.*num_workers")
@pytest.mark.parametrize("name", SHOWS)
def test_recipes_run_and_show_what_their_pages_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name], exc_type=(ImportError, RuntimeError))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    with torch.random.fork_rng():
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert SHOWS[name] in capfd.readouterr().out

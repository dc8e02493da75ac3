r"""Settings are checked against the signatures of what they name, and whatever ends a run is one sentence."""

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from programs import composed

import run
from lightning_modules.output.display import Display
from lightning_modules.output.told import extra_for, nearest, printable, sentence
from lightning_modules.pair import build_pair
from lightning_modules.rehearsal import check_types, rehearse
from lightning_modules.settings import check_settings, plain


class Made:
    r"""Of every kind of argument."""

    def __init__(
        self,
        count: int,
        share: float = 0.5,
        kind: Literal["near", "far"] = "near",
        widths: Sequence[int] = (),
        pair: tuple[float, float] = (0.0, 1.0),
        folder: str | Path | None = None,
        implicit: int = None,  # noqa: RUF013  # as libraries declare it
    ) -> None: ...


TARGET = {"_target_": f"{__name__}.Made", "count": 1}


@pytest.mark.parametrize(
    "given",
    [
        {"share": 1},
        {"kind": "far", "widths": [1, 2], "pair": [0.5, 1]},
        {"folder": "x"},
        {"folder": None},
        {"implicit": None},
        {"share": {"_target_": "math.sqrt", "_args_": [2]}},
        {"_partial_": True},
    ],
)
def test_what_an_argument_is_declared_to_take_is_taken(given: dict) -> None:
    check_settings({"part": TARGET | given}, {})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": "two"}, "'part.count' should be an integer, got 'two'"),
        ({"count": True}, "'part.count' should be an integer"),
        ({"count": 1.5}, "'part.count' should be an integer"),
        ({"share": "half"}, "'part.share' should be a number"),
        ({"kind": "nearer"}, "'part.kind' should be 'near' or 'far'"),
        ({"widths": 3}, "'part.widths' should be a list of an integer"),
        ({"widths": [1, "a"]}, "'part.widths'"),
        ({"widths": "ab"}, "'part.widths'"),
        ({"pair": [0.5]}, "'part.pair'"),
        ({"folder": 3}, "'part.folder' should be .* or null"),
        ({"shares": 1}, "'part.shares' should be an argument .* did you mean share"),
        ({"_target_": f"{__name__}.Mad"}, "did you mean Made"),
        ({"_target_": "nowhere.at.all"}, "no module 'nowhere'"),
        ({"_target_": "math.pi"}, "'part._target_' should name a class or function"),
        ({"_target_": ""}, "'part._target_'"),
    ],
)
def test_what_it_does_not_take_is_one_sentence(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_settings({"outer": [{"part": 1}], "part": TARGET | given}, {})


def test_an_argument_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"got no count; set part\.count="):
        check_settings({"part": {"_target_": f"{__name__}.Made"}}, {})


@pytest.mark.slow
def test_a_rehearsal_leaves_the_random_numbers_and_the_networks_to_come_as_they_are(tmp_path: Path) -> None:
    settings = composed(tmp_path, "experiment=vector_field", "logger=none")
    config = plain(settings)
    check_types(config)
    state, before = torch.random.get_rng_state(), build_pair(config).state_dict()
    dataset, evaluation, matching = (
        instantiate(settings[name]) for name in ("dataset", "evaluation", "matching")
    )
    rehearse(config, dataset, matching.settings, evaluation)
    assert torch.equal(state, torch.random.get_rng_state())
    after = build_pair(config).state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.slow
@pytest.mark.parametrize("override", ["architecture.network_a.inputs=3", "architecture.network_b.outputs=5"])
def test_networks_that_do_not_fit_the_data_are_told_before_the_data(tmp_path: Path, override: str) -> None:
    settings = composed(tmp_path, "experiment=vector_field", "logger=none", override)

    with pytest.raises(SystemExit, match=f"^error: '{override.rpartition('.')[0]}' should [^\n]*$"):
        run.run(settings)

    assert not (tmp_path / "checkpoints").exists()


def test_only_what_nobody_foresaw_is_to_be_reported(tmp_path: Path) -> None:
    ours = sentence(RuntimeError("index 3\nis out of bounds"), tmp_path / "error.txt")
    assert "report it" in ours and "error.txt" in ours and "\n" not in ours
    assert "report it" in sentence(TypeError("'<' not supported between instances of 'str' and 'int'"))
    caused = InstantiationException("Error in call to target")
    caused.__cause__ = ValueError("'size' should be at least 8, got 1.")
    assert sentence(caused) == "'size' should be at least 8, got 1."
    full = sentence(OSError(errno.ENOSPC, "No space left on device", "x.ckpt"))
    assert full.startswith("No space left on device 'x.ckpt'") and "make room" in full
    assert "report" not in sentence(torch.OutOfMemoryError("CUDA out of memory"))


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("tensorboard", "tensorboard"),
        ("hydra/launcher/joblib", "sweep"),
        ("trackio", "trackio"),
        ("nothing", None),
    ],
)
def test_what_is_missing_is_said_with_the_extra_that_installs_it(name: str, extra: str | None) -> None:
    assert extra_for(name) == extra


def test_the_nearest_setting_is_offered_wherever_it_stands() -> None:
    keys = ["seed", "trainer", "trainer.max_epochs", "optimizer.lr"]
    assert nearest("trainer.max_epoch", keys) == "; did you mean trainer.max_epochs?"
    assert nearest("lr", keys) == "; did you mean optimizer.lr?"
    assert "there are seed" in nearest("zzz", keys)


def test_no_command_of_a_terminal_passes() -> None:
    said = printable("\x1b[31mred\x07 \x9b2J\u202eevil\r\u0008 naïve 層\n\ttab \udc80")
    assert said.startswith("\\x1b[31mred\\x07 \\x9b2J\\u202eevil\\r\\x08 naïve 層\n\ttab")
    assert all(each.isprintable() or each in "\n\t" for each in said)


def test_help_has_five_examples_and_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", "--help"])
    run.main()
    said = capsys.readouterr().out
    assert said.count("  python run.py ") == 5
    assert max(map(len, said.splitlines())) <= 80 and len(said.splitlines()) < 60


def test_the_display_passes_no_command_of_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    display.note("0  failed  seed=\x1b]0;owned\x07")
    display.say("layer \x1b[2J")
    assert capsys.readouterr().out == "0  failed  seed=\\x1b]0;owned\\x07\nlayer \\x1b[2J\n"

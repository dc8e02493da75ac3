r"""The one display: silent where nobody looks, one line for each piece of work where somebody does."""

import io
import shutil
import sys
from pathlib import Path

import pytest

from lightning_modules.output.display import Display, heading
from lightning_modules.output.numbers import with_unit
from lightning_modules.output.told import in_width


def worked(display: Display) -> None:
    with display:
        for done in range(4):
            display(done, 3, "rendering")
        display(1, 2, "matching")
        display.note("a job ended")
        display.say("the summary.")


def test_without_a_terminal_only_what_stays_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    worked(Display())
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == "a job ended\nthe summary.\n"


def test_a_job_of_a_sweep_says_nothing_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(quiet=True)
    with display:
        display(1, 2, "rendering")
        display.say("the summary.")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_on_a_terminal_every_work_has_a_line_with_its_share_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    worked(Display())
    shown = capsys.readouterr().err
    for part in ("rendering", "3/3", "matching", "1/2", "left", "a job ended"):
        assert part in shown


def test_lines_are_broken_between_words_below_their_last_column() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    text = "  error A to B  " + "word " * 30 + "\n" + "sentence " * 20
    told = in_width(text, Terminal()).splitlines()
    width = shutil.get_terminal_size().columns
    assert max(map(len, told)) < width
    assert " ".join(" ".join(told).split()) == " ".join(text.split())
    assert told[1].startswith(" " * 16 + "word")
    assert in_width(text, io.StringIO()) == text  # pipes get lines as they are


def test_the_header_names_experiment_networks_and_folder(tmp_path: Path) -> None:
    settings = {
        "description": "what it is",
        "architecture": {"network_a": {"_target_": "a.b.MLP"}, "network_b": {"_target_": "a.Other"}},
        "trainer": {"accelerator": "cpu"},
    }
    told = heading("horse", settings, tmp_path).splitlines()
    assert told[0] == "horse: what it is"
    assert [line.split()[0] for line in told[1:]] == ["networks", "device", "folder"]
    assert told[1].endswith("MLP and Other") and told[2].endswith("cpu")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("true_error_a_to_b", 0.0077, "0.77 %"),
        ("true_error_a_to_b", 1e-8, "below 0.001 %"),
        ("angle_error_deg_p95", 0.2126, "0.213°"),
        ("cross_view_psnr", 33.03, "33 dB"),
        ("accuracy_a", 0.39, "39 %"),
        ("energy_error_kcal_per_mol", 0.0038, "0.0038 kcal/mol"),
        ("verdict_paired", "not_equivalent", "not equivalent"),
        ("neurons_used_a", 2, "2"),
    ],
)
def test_numbers_are_told_with_their_unit(name: str, value: object, told: str) -> None:
    assert with_unit(name, value) == told

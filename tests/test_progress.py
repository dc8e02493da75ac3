r"""The one display: silent where nobody looks, one line for each piece of work where somebody does."""

import sys

import pytest

from lightning_modules.output.display import Display


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

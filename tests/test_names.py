"""Names of layers that hold commands of terminals: none is passed on by what is printed."""

import io
import sys

import pytest
import torch
from torch import nn

import equiv
from equiv.__main__ import main
from equiv.checks import without_controls
from equiv.observe.progress import bar

# Clears the screen, sets its title, goes back, turns text around, starts a line of its own, is half of a character.
EVIL = "\x1b[2J\x1b]0;owned\x07\rerror 0 %\x08\x9b31m\u202e\u2028verdict\nequivalent\x7f\ud800"


def clean(text: str) -> None:
    assert all(line.isprintable() for line in text.split("\n")), text
    text.encode()


def test_each_control_character_is_told_by_its_code() -> None:
    clean(
        without_controls(
            "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), 0xD800]))
        )
    )
    assert without_controls("body.4: α → β, 3 %") == "body.4: α → β, 3 %"


def test_a_matrix_of_layers_prints_no_command() -> None:
    x = torch.rand(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = equiv.compare_layers({EVIL: x, "usual": x.exp()}, {f"{EVIL}, too": x.sin()})

    clean(matrix.summary())
    assert len(matrix.summary().splitlines()) == 6 and "\\x1b[2J" in matrix.summary()


def test_a_comparison_and_its_errors_print_no_command() -> None:
    x = torch.rand(30, 2, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential()
    network.add_module(EVIL.replace(".", ""), nn.Linear(2, 2))
    found = equiv.compare(network, network, x, layers_a=[EVIL], layers_b=[EVIL])
    object.__setattr__(found, "diagnostics", found.diagnostics | {"layer": EVIL})
    clean(found.summary())

    with pytest.raises(ValueError) as caught:
        equiv.probe(network, x, layers=["missing"])

    clean(str(caught.value))


def test_bars_and_the_program_print_no_command(monkeypatch, capsys, tmp_path) -> None:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    bar(1, 2, EVIL)
    clean(told.getvalue().removeprefix("\r\033[K"))
    monkeypatch.undo()

    assert main([f"{tmp_path}/{EVIL[:-1]}.npz", "b.npz"]) == 2
    clean(capsys.readouterr().err)

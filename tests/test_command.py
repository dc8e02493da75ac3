r"""`python -m equiv`: recorded activations from files, the verdict as an exit code."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from manifolds import random
from safetensors.torch import save_file
from torch import Tensor

import equiv
from equiv.__main__ import EXIT_CODES, main
from equiv.observe.recorded import read_observations
from equiv.verdict import Verdict

X = random(120, 2)
A = torch.cat([X, X[:, :1] * X[:, 1:]], dim=1)
B = A @ random(3, 3, seed=3)


def written(folder: Path, name: str, values: Tensor, **parts: Tensor) -> str:
    path = folder / name
    arrays = {"values": values, **parts}
    if path.suffix == ".npy":
        np.save(path, values.numpy())
    elif path.suffix == ".npz":
        np.savez(path, **{key: value.numpy() for key, value in arrays.items()})
    elif path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in arrays.items()}, path)
    else:
        torch.save(arrays if parts else values, path)

    return str(path)


@pytest.mark.parametrize("ending", ["npy", "npz", "safetensors", "pt"])
def test_files_of_every_kind_hold_what_was_recorded(tmp_path: Path, ending: str) -> None:
    values, frames, groups = random(6, 4), random(6, 4, 2), torch.arange(6) // 2
    plain = read_observations(written(tmp_path, f"a.{ending}", values))
    assert torch.equal(plain.values, values) and plain.frames is None
    pictures = read_observations(written(tmp_path, f"p.{ending}", values.reshape(6, 2, 2).half()))
    assert torch.equal(pictures.values, values.half().float())
    if ending != "npy":
        whole = read_observations(written(tmp_path, f"b.{ending}", values, frames=frames, groups=groups))
        assert torch.equal(whole.frames, frames) and torch.equal(whole.groups, groups)


def test_the_exit_code_is_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = written(tmp_path, "a.npz", A), written(tmp_path, "b.npy", B)
    noise = written(tmp_path, "noise.pt", random(120, 3, seed=5))
    few = written(tmp_path, "few.npy", A[:5])
    part = written(tmp_path, "part.npy", A[:, :1])
    expected = {(a, b): 0, (a, part): 10, (part, a): 11, (a, noise): 12, (few, few): 13}
    for (first, second), code in expected.items():
        assert main([first, second, "--paired"]) == code, (first, second)
        found = equiv.compare(read_observations(first), read_observations(second), paired=True)
        assert EXIT_CODES[found.verdict] == code and found.summary() in capsys.readouterr().out
    assert len(set(EXIT_CODES.values())) == len(Verdict)


def test_groups_report_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = written(tmp_path, "a.npz", A), written(tmp_path, "b.npz", B)
    np.save(tmp_path / "g.npy", np.arange(120) // 3)
    report = tmp_path / "report.html"
    options = ["--groups", str(tmp_path / "g.npy"), "--report", str(report), "--tolerance", "0.2", "--json"]
    assert main([a, b, "--paired", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["tolerance"] == 0.2 and "40" in said["diagnostics"]["groups"]
    assert report.read_text().lower().startswith("<!doctype html>")


def test_positions_of_recorded_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (written(tmp_path, name, x.reshape(30, 4, 3)) for name, x in (("a.npy", A), ("b.npz", B)))
    np.save(tmp_path / "g.npy", np.arange(30) // 2)
    main([a, b, "--paired", "--positions", "each", "--groups", str(tmp_path / "g.npy"), "--json"])
    said = json.loads(capsys.readouterr().out)["diagnostics"]
    assert said["samples"] == 120 and said["groups"].startswith("15 groups")
    own = written(tmp_path, "own.npz", A.reshape(30, 4, 3), groups=torch.arange(30) // 3)
    main([own, own, "--paired", "--positions", "each", "--json"])
    assert json.loads(capsys.readouterr().out)["diagnostics"]["groups"].startswith("10 groups")
    main([a, b, "--paired", "--positions", "mean", "--json"])
    assert json.loads(capsys.readouterr().out)["diagnostics"]["samples"] == 30
    mask = torch.ones(30, 4).long()
    mask[0, 3] = 0
    padded = written(tmp_path, "padded.npz", A.reshape(30, 4, 3), attention_mask=mask)
    main([padded, b, "--paired", "--positions", "each", "--json"])
    assert json.loads(capsys.readouterr().out)["diagnostics"]["samples"] == 119
    framed = written(tmp_path, "framed.npz", A, frames=random(120, 3, 2))
    assert main([framed, a, "--paired", "--positions", "each"]) == 2
    assert "frames have no positions" in capsys.readouterr().err


def test_without_pairs_anchors_come_from_a_table(tmp_path: Path) -> None:
    u = 3 * torch.rand(80, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    v = 3 * torch.rand(90, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    v[:3] = u[[5, 40, 60]]
    a = written(tmp_path, "a.npz", torch.cat([u, u.sin()], 1), frames=torch.stack([1 + 0 * u, u.cos()], 1))
    b = written(tmp_path, "b.npz", torch.cat([v.cos(), v], 1), frames=torch.stack([-v.sin(), 1 + 0 * v], 1))
    (tmp_path / "p.csv").write_text("a,b\n5,0\n40,1\n60,2\n")
    assert main([a, b, "--anchors", str(tmp_path / "p.csv")]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.npz", "nowhere.npy", "--paired"], "should be a file, got none of this name"),
        (["a.npz", "a.txt", "--paired"], "should be a file of arrays, .npy, .npz, .safetensors, .pt"),
        (["a.npz", "broken.npz", "--paired"], "cannot be read"),
        (["a.npz", "other.npz", "--paired"], "an array named 'values'"),
        (["a.npz", "short.npy", "--paired"], "as many samples as each other"),
        (["a.npz", "a.npz"], "should have frames in an unpaired comparison"),
        (["a.npz", "a.npz", "--paired", "--tolerance", "2"], "'tolerance' should be"),
        (["a.npz", "a.npz", "--paired", "--anchors", "words.csv"], "rows of integers"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "a.npz", A)
    written(tmp_path, "short.npy", A[:50])
    np.savez("other.npz", first=A.numpy(), second=B.numpy())
    Path("broken.npz").write_bytes(b"PK\x03\x04 and no more")
    Path("words.csv").write_text("1,2\n3,four\n")
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and words in said.err
    assert said.err.count("\n") == 1


@pytest.mark.slow
def test_the_module_is_a_program(tmp_path: Path) -> None:
    a, b = written(tmp_path, "a.npz", A), written(tmp_path, "b.npz", B)
    call = [sys.executable, "-m", "equiv", a, b, "--paired", "--json"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=Path(equiv.__file__).parent.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["verdict"] == "equivalent"
    assert subprocess.run([*call[:3], a], capture_output=True, cwd=tmp_path).returncode == 2

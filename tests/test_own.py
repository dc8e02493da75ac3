r"""`experiment=compare`: networks that others trained, by command."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from manifolds import random
from PIL import Image
from programs import ROOT, composed, one_thread
from safetensors.torch import save_file
from torch import nn

import equiv
import run
from lightning_modules.own.inputs import load_inputs
from lightning_modules.own.weights import load_network, load_weights
from sweeps.jobs import objective

BODY = """
from torch import nn
from torch.utils.data import Dataset
import torch

class Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 4))
        self.spare = nn.Linear(2, 2)

    def forward(self, x):
        return self.body(x), x

class Data(Dataset):
    def __init__(self, n):
        self.x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.x)

    def __getitem__(self, k):
        return self.x[k], k % 2
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    r"""An empty folder of one's own, with a file of networks, their weights, and inputs."""
    monkeypatch.chdir(tmp_path)
    name = f"net_{tmp_path.name}"  # another module in each test
    (tmp_path / f"{name}.py").write_text(BODY)
    monkeypatch.syspath_prepend(str(tmp_path))
    np.save("x.npy", random(60, 3).numpy())

    return tmp_path


def made(folder: Path, seed: int = 0, **arguments: Any) -> nn.Module:
    return load_network({"_target_": target(folder), **arguments}, "network_a", seed)


def target(folder: Path) -> str:
    return f"net_{folder.name}.Net"


def as_safetensors(state: dict[str, Any], name: str) -> str:
    save_file(state, f"{name}.safetensors")
    return f"{name}.safetensors"


def saved(name: str, held: Any) -> str:
    torch.save(held, f"{name}.pt")
    return f"{name}.pt"


@pytest.mark.parametrize(
    "write",
    [
        lambda state: as_safetensors(state, "w"),
        lambda state: saved("w", state),
        lambda state: saved("w", {"epoch": 3, "state_dict": {f"model.net.{k}": v for k, v in state.items()}}),
        lambda state: saved("w", {"state_dict": {f"_orig_mod.{k}": v for k, v in state.items()}}),
        lambda state: saved(
            "w", {"model": {f"module.{k}": v for k, v in state.items()} | {"head": torch.ones(2)}}
        ),
    ],
    ids=["safetensors", "plain", "lightning", "compiled", "beside others"],
)
def test_weights_of_every_kind_are_found_whatever_their_prefix(
    folder: Path, write: Callable[[Any], str]
) -> None:
    network, other = made(folder, 1), made(folder, 2)
    load_weights(other, write(network.state_dict()), "network_a")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda net: saved("w", net), "opened with weights_only"),
        (lambda net: saved("w", {"a": 1}), "a state dict, got 'w.pt' with none in it"),
        (lambda net: saved("w", nn.Linear(3, 4).state_dict()), "names missing"),
        (lambda net: saved("w", net.state_dict() | {"extra": torch.ones(1)}), "'extra' in 'w.pt' too"),
        (
            lambda net: saved("w", {f"{s}.{k}": v for s in "ab" for k, v in net.state_dict().items()}),
            "got 2 in 'w.pt', under 'a.', 'b.'",
        ),
        (lambda net: "nowhere.pt", "should be a file"),
    ],
)
def test_weights_that_do_not_fit_are_one_sentence(
    folder: Path, write: Callable[[Any], str], words: str
) -> None:
    network = made(folder)
    with pytest.raises(ValueError, match=words) as caught:
        load_weights(network, write(network), "network_a")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"of shape \(6, 3\) for \(9, 3\); give the arguments"):
        load_weights(made(folder, width=9), as_safetensors(network.state_dict(), "narrow"), "network_a")


def test_programs_stand_for_themselves(folder: Path) -> None:
    network, x = made(folder), random(5, 3).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, x).save("a.pt")
        torch.export.save(torch.export.export(network, (x,)), "a.pt2")
    for file in ("a.pt", "a.pt2"):
        again = load_network({"weights": file}, "network_a", 0)
        torch.testing.assert_close(again(x)[0], network(x)[0])
    with pytest.raises(ValueError, match=r"give the class of these weights as network_a\._target_"):
        load_network({"weights": saved("w", network.state_dict())}, "network_a", 0)
    with pytest.raises(ValueError, match="a _target_ or weights, got neither"):
        load_network({}, "network_a", 0)


def test_inputs_of_every_kind(folder: Path) -> None:
    assert torch.equal(load_inputs("x.npy", "inputs"), random(60, 3))
    np.savez("two.npz", ids=np.arange(4), mask=np.ones(4))
    assert set(load_inputs("two.npz", "inputs")) == {"ids", "mask"}
    (folder / "pictures").mkdir()
    shades = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    for k, picture in enumerate(shades):
        Image.fromarray(picture).save(folder / "pictures" / f"{2 - k}.png")
    loaded = load_inputs("pictures", "inputs")
    assert loaded.shape == (3, 3, 4, 5)
    torch.testing.assert_close(loaded, torch.from_numpy(shades[::-1].copy()).permute(0, 3, 1, 2) / 255)
    data = load_inputs({"_target_": f"net_{folder.name}.Data", "n": 7}, "inputs")
    assert [part.shape for part in data] == [(7, 3), (7,)]
    for wrong in ("x.txt", ".", "nowhere"):
        with pytest.raises(ValueError, match="'inputs' should be"):
            load_inputs(wrong, "inputs")


def test_a_run_by_command_leaves_what_every_run_leaves(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = made(folder, 3)
    copy = {f"net.{k}": v for k, v in network.state_dict().items()}
    settings = composed(
        folder / "out",
        "experiment=compare",
        f"network_a._target_={target(folder)}",
        f"network_a.weights={as_safetensors(network.state_dict(), 'a')}",
        f"network_b._target_={target(folder)}",
        "network_b.width=6",
        f"network_b.weights={saved('b', {'state_dict': copy})}",
        "inputs=x.npy",
        "layers_a=[body.0]",
        "layers_b=[body.0]",
        "paired=true",
        "logger=none",
    )
    (folder / "out").mkdir()
    error = run.run(settings)
    out = folder / "out"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["verdict"] == "equivalent" and error == metrics["error_a_to_b"] < 0.05
    assert metrics["a_to_b.error.high"] >= metrics["a_to_b.error.estimate"] == metrics["error_a_to_b"]
    assert {"tolerance", "confidence", "method", "intrinsic_dimension_a", "seconds_total"} <= set(metrics)
    for left in ("report.html", "comparison/comparison.json", "checkpoints/last.ckpt", "figures/charts.png"):
        assert (out / left).is_file(), left
    assert list((out / "csv").rglob("metrics.csv"))
    again = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(again["network_b.body.0.weight"], network.body[0].weight)
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[0].startswith("compare: ") and f"Left in {out}:" in printed
    assert printed[1 + [line.split()[:1] for line in printed].index(["folder"])].startswith(
        "Verdict: equivalent"
    )
    assert printed[-1].startswith("The two are equivalent")


def test_recorded_sides_data_sets_and_anchors(folder: Path) -> None:
    u = 3 * torch.rand(80, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.savez("a.npz", values=torch.cat([u, u.sin()], 1), frames=torch.stack([1 + 0 * u, u.cos()], 1))
    np.savez("b.npz", values=torch.cat([u.cos(), u], 1), frames=torch.stack([-u.sin(), 1 + 0 * u], 1))
    (folder / "p.csv").write_text("0,0\n5,5\n")
    recorded = ("observations_a=a.npz", "observations_b=b.npz", "paired=false", "anchors_file=p.csv")
    metrics = ran(folder / "recorded", *recorded)
    assert metrics["verdict"] == "equivalent" and metrics["n_anchors"] == 2
    data = (f"inputs._target_=net_{folder.name}.Data", "inputs.n=50")
    networks = [f"network_{side}._target_={target(folder)}" for side in "ab"]
    assert ran(folder / "data", *networks, *data, "seed=4")["samples"] == 50


def ran(folder: Path, *overrides: str) -> dict[str, Any]:
    settings = composed(folder, "experiment=compare", "logger=none", *overrides)
    folder.mkdir()
    run.run(settings)

    return json.loads((folder / "metrics.json").read_text())


def test_all_layers_leave_their_matrix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = random(60, 3).float()
    network = made(folder)
    arrays = {"first": network.body[0](x).detach().numpy(), "half": x.numpy().astype(np.float16)}
    np.savez("b.npz", **arrays, groups=np.arange(60) // 2)
    sides = (f"network_a._target_={target(folder)}", "observations_b=b.npz", "inputs=x.npy", "layers=all")
    metrics = ran(folder / "out", *sides, "layers_a=[body.0,body]")
    again = equiv.load(folder / "out" / "comparison")
    assert (again.layers_a, again.layers_b) == (("body.0", "body"), ("first", "half"))
    assert metrics["answered"] == sum(match is not None for match in again.matches)
    assert metrics["a_to_b"] == again.a_to_b.tolist() and metrics["samples"] == 60
    matched = [match.a_to_b for match in again.matches if match is not None]
    assert objective(metrics, "error_a_to_b") == pytest.approx(sum(matched) / len(matched))
    assert not {"verdicts", "sentences"} & set(metrics) and metrics["seconds_matching"] > 0
    assert "groups" in metrics["notes"][0]
    for left in ("report.html", "checkpoints/last.ckpt", "figures/layers.png"):
        assert (folder / "out" / left).is_file(), left
    assert "2 layers of A against 2 of B" in capsys.readouterr().out
    np.savez("a.npz", **arrays, groups=np.arange(60) // 3)
    files = ("observations_a=a.npz", "observations_b=b.npz", "layers=all")
    with pytest.raises(SystemExit, match="'groups' of all observations should join the same samples"):
        ran(folder / "other", *files)


def test_the_names_of_layers_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = composed(
        folder, "experiment=compare", f"network_a._target_={target(folder)}", "inputs=x.npy", "layers_a=list"
    )
    run.run(settings)
    lines = capsys.readouterr().out.splitlines()
    found = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines if len(line.split()) > 2}
    assert found["body.0"] == ["Linear", "(n, 6)"]
    assert found["body"] == ["Sequential", "(n, 4)"]
    assert found["spare"] == ["Linear", "never called"]
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("layers=every",), "'layers' should be null or 'all'"),
        (("layers=all", "paired=false"), "'paired=false' should be left out"),
        (("observations_a=a.npz",), "got both"),
        (("network_a.depth=3",), "depth"),
        (("inputs=null",), "'inputs' should be given"),
        (("inputs=y.npy",), "got none of this name"),
        (("layers_a=[body.7]",), "'body.7'"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(
    folder: Path, overrides: tuple[str, ...], words: str
) -> None:
    networks = [f"network_{side}._target_={target(folder)}" for side in "ab"]
    with pytest.raises(SystemExit, match=words):
        run.run(composed(folder, "experiment=compare", *networks, "inputs=x.npy", "logger=none", *overrides))


@pytest.mark.slow
def test_from_a_folder_of_ones_own_by_command(folder: Path) -> None:
    save_file(made(folder).state_dict(), "w.safetensors")
    networks = [
        f"network_{side}.{key}"
        for side in "ab"
        for key in (f"_target_={target(folder)}", "weights=w.safetensors")
    ]
    call = [sys.executable, str(ROOT / "run.py"), "experiment=compare", *networks, "inputs=x.npy"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=folder, env=one_thread())
    assert done.returncode == 0 and done.stderr == "", done.stderr
    out = next((folder / "outputs" / "compare").iterdir())
    assert json.loads((out / "metrics.json").read_text())["verdict"] == "equivalent"
    assert list((out / "wandb").glob("offline-run-*/*.wandb"))

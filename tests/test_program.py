r"""The program itself, tiny: small pictures, few steps, every file that a run leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from programs import METRICS, ROOT, TINY, composed, one_thread, program, tiny, weights

import run
from lightning_modules.matcher import Matcher, Observed
from lightning_modules.pair import NetworkPair


def test_a_run_leaves_everything_and_ends_in_one_sentence(tmp_path: Path, pictures: Path) -> None:
    done = tiny(tmp_path, pictures)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics) >= METRICS
    assert all(value is None or isinstance(value, int | float | str) for value in metrics.values())
    assert metrics["seconds_total"] > sum(
        metrics[f"seconds_{part}"] for part in ("data", "training", "matching")
    )
    assert metrics["n_anchors"] == 3
    page = (tmp_path / "report.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert list((tmp_path / "figures").glob("*.png"))
    assert (tmp_path / "comparison" / "comparison.safetensors").is_file()
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert list((tmp_path / "csv").rglob("metrics.csv"))
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["config"]["seed"] == 0
    lines = done.stdout.strip().splitlines()
    assert len(lines) <= 50
    assert lines[-1].endswith(".")
    assert done.stderr == ""  # no terminal: no progress display, and no library talks


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, pictures: Path) -> None:
    common = ("logger=none",)
    tiny(tmp_path / "whole", pictures, *common)
    tiny(tmp_path / "half", pictures, *common, "trainer.max_epochs=1")
    tiny(tmp_path / "rest", pictures, *common, f"resume={tmp_path / 'half'}")
    whole, rest = weights(tmp_path / "whole"), weights(tmp_path / "rest")
    assert all(torch.equal(tensor, rest[name]) for name, tensor in whole.items())


@pytest.mark.slow
def test_products_are_the_same_bits_wherever_in_memory_their_factors_lie() -> None:
    script = (
        "import run, torch\n"
        "x, v = torch.rand(257, 43, dtype=torch.float64), torch.rand(43, dtype=torch.float64)\n"
        "room = torch.empty(x.numel() + 8, dtype=torch.float64)\n"
        "for k in range(8):\n"
        "    there = room[k : k + x.numel()].view(x.shape).copy_(x)\n"
        "    assert torch.equal(there @ v, x @ v), k\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=one_thread(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
def test_what_was_found_on_the_way_is_found_after_a_resume(tmp_path: Path) -> None:
    few = ("dataset.a.n_train=60", "dataset.b.n_train=60", "dataset.n_held_out=30", "data.batch_size=16")
    chosen = ("experiment=training", *few, "matching.epochs=[0,1,2,3]", "logger=none")
    folders = {name: tmp_path / name for name in ("whole", "half", "rest")}
    program(*chosen, "trainer.max_epochs=4", f"hydra.run.dir={folders['whole']}")
    program(*chosen, "trainer.max_epochs=2", f"hydra.run.dir={folders['half']}")
    program(*chosen, "trainer.max_epochs=4", f"resume={folders['half']}", f"hydra.run.dir={folders['rest']}")
    whole, rest = (json.loads((folders[name] / "metrics.json").read_text()) for name in ("whole", "rest"))
    assert whole.keys() == rest.keys() and "first_equivalent_epoch" in whole
    assert all(whole[name] == rest[name] for name in whole if not name.startswith("seconds"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "ends",
    [
        ("trainer.max_epochs=3",),
        ("trainer.max_epochs=60", "callbacks.checkpoint.every_n_epochs=50"),
        ("trainer.max_epochs=50", "trainer.max_steps=5"),
        ("trainer.max_epochs=5000", "trainer.max_time=00:00:00:01"),
        ("trainer.max_epochs=3", "~callbacks.checkpoint"),
        ("trainer.max_epochs=1", "resume=finished"),
    ],
)
def test_the_checkpoint_holds_what_was_compared_however_training_ends(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, ends: tuple[str, ...]
) -> None:
    compared: dict[str, torch.Tensor] = {}
    observe = Matcher.observed

    def watched(matcher: Matcher, pair: NetworkPair, whole: bool) -> list[Observed]:
        compared.update({name: tensor.clone() for name, tensor in pair.state_dict().items()})

        return observe(matcher, pair, whole)

    monkeypatch.setattr(Matcher, "observed", watched)
    chosen = ("experiment=horse", *TINY, f"dataset.cache={pictures}", "logger=none")

    for name in ("finished", "run"):
        (tmp_path / name).mkdir()

    if "resume=finished" in ends:
        run.run(composed(tmp_path / "finished", *chosen, "trainer.max_epochs=1"))
        ends = ("trainer.max_epochs=1", f"resume={tmp_path / 'finished'}")

    run.run(composed(tmp_path / "run", *chosen, "trainer.check_val_every_n_epoch=1000", *ends))
    held = weights(tmp_path / "run")
    assert compared.keys() == held.keys()
    assert all(torch.equal(tensor, held[name]) for name, tensor in compared.items())


def test_everything_runs_on_little_for_debugging(tmp_path: Path, pictures: Path) -> None:
    run.run(composed(tmp_path, "experiment=horse", "debug=default", f"dataset.cache={pictures}"))
    assert (tmp_path / "report.html").is_file()
    assert set(json.loads((tmp_path / "metrics.json").read_text())) >= METRICS
    assert not (tmp_path / "wandb").exists()


def test_another_optimizer_and_a_callback_that_watches_one_network(tmp_path: Path, pictures: Path) -> None:
    chosen = ("optimizer._target_=torch.optim.SGD", "optimizer.lr=0.01", "logger=none")
    stop = "+callbacks.stop._target_=pytorch_lightning.callbacks.EarlyStopping"
    watched = (stop, "+callbacks.stop.monitor=val_loss_a")
    run.run(composed(tmp_path, "experiment=horse", *TINY, f"dataset.cache={pictures}", *chosen, *watched))
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert any("EarlyStopping" in name for name in checkpoint["callbacks"])
    assert "val_loss_b" in next((tmp_path / "csv").rglob("metrics.csv")).read_text()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("dataset.mesh=nowhere.ply", "nowhere.ply"),
        ("dataset.size=20", "'size'"),
        ("data.batch_size=1000", "'batch_size'"),
        ("optimizer._target_=torch.optim.RMSprop", "~optimizer.fused"),
        ("scheduler.warmup_epochs=50", "'warmup_epochs'"),
        ("relation=treble", "'relation'"),
        ("resume=nowhere", "nowhere"),
        ("matching.method=magic", "'method'"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(
    tmp_path: Path, pictures: Path, override: str, sentence: str
) -> None:
    settings = composed(
        tmp_path, "experiment=horse", *TINY, f"dataset.cache={pictures}", "logger=none", override
    )

    with pytest.raises(SystemExit, match=f"^error: [^\n]*{sentence}[^\n]*$"):
        run.run(settings)


@pytest.mark.slow
def test_a_sweep_leaves_a_run_of_weights_and_biases_in_each_folder(tmp_path: Path, pictures: Path) -> None:
    chosen = ("experiment=horse", f"dataset.cache={pictures}", f"hydra.sweep.dir={tmp_path}")
    start = time.perf_counter()
    program("-m", *chosen, *TINY, "optimizer.lr=0.004,0.002")
    elapsed = time.perf_counter() - start
    runs = [list((tmp_path / job / "wandb").glob("offline-run-*")) for job in ("0", "1")]
    assert [len(found) for found in runs] == [1, 1]
    assert runs[0][0].name != runs[1][0].name
    seconds = [
        json.loads((tmp_path / job / "metrics.json").read_text())["seconds_total"] for job in ("0", "1")
    ]
    assert sum(seconds) < elapsed  # the second job's clock starts with the second job


@pytest.mark.slow
@pytest.mark.parametrize("relation", ["double", "half"])
def test_the_negative_controls_are_not_equivalent(tmp_path: Path, pictures: Path, relation: str) -> None:
    tiny(tmp_path, pictures, f"relation={relation}", "logger=none", experiment="horse_negative")
    assert json.loads((tmp_path / "metrics.json").read_text())["verdict"] != "equivalent"


def test_without_its_extra_the_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hydra", None)

    with pytest.raises(SystemExit, match=r"pip install -c constraints.txt -e '.\[research\]'"):
        run.main()


@pytest.mark.slow
def test_pictures_are_reconstructed_from_few_neurons(tmp_path: Path, pictures: Path) -> None:
    few = ("evaluation.choices=2", "evaluation.counts=[1,2,3,5]", "logger=none")
    tiny(tmp_path, pictures, *few, experiment="reconstruction_horse")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert list(metrics["error_by_neuron_count"]) == ["1", "2", "3", "5"]
    assert (tmp_path / "figures" / "inputs.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_how_to_go_on(tmp_path: Path, pictures: Path, number: int) -> None:
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "run.py",
        "experiment=horse",
        *TINY,
        f"dataset.cache={pictures}",
        "logger=none",
    ]
    started = subprocess.Popen(
        [*command, "trainer.max_epochs=5000", f"hydra.run.dir={folder}"],
        cwd=ROOT,
        env=one_thread(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 240
    while not (folder / "checkpoints" / "last.ckpt").exists():
        assert time.monotonic() < until and started.poll() is None
        time.sleep(0.02)
    started.send_signal(number)
    _, told = started.communicate(timeout=120)

    assert started.returncode == 128 + number
    assert f"resume={folder}" in told.splitlines()[-1] and "Traceback" not in told
    assert (folder / "error.txt").read_text().startswith(f"stopped by {signal.Signals(number).name}")
    assert not (folder / "metrics.json").exists()


@pytest.mark.slow
def test_a_logger_that_fails_at_the_end_loses_nothing(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "failing.py").write_text(
        "from pytorch_lightning.loggers import CSVLogger\n"
        "class Failing(CSVLogger):\n"
        "    def log_metrics(self, metrics, step=None):\n"
        "        if any(name.startswith('final/') for name in metrics):\n"
        "            raise OSError(28, 'No space left on device')\n"
    )
    done = program(
        "experiment=horse",
        *TINY,
        f"dataset.cache={pictures}",
        "trainer.max_epochs=1",
        "logger=none",
        "+logger.bad._target_=failing.Failing",
        f"+logger.bad.save_dir={tmp_path}",
        f"hydra.run.dir={tmp_path / 'run'}",
    )

    assert "warning: Failing failed" in done.stderr and "No space left" in done.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["seconds_total"] > 0
    assert (tmp_path / "run" / "report.html").is_file()

r"""Sweeps: jobs fail alone, stopped ones go on, finished ones are skipped; launchers; one report of them all."""

import csv
import importlib.util
import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from pages import read
from programs import METRICS, ROOT, TINY, composed, one_thread, program, weights

import run
from sweeps.jobs import JobFailed, objective, read_jobs
from sweeps.report import SweepReport
from sweeps.watch import Watch, jobs_in, line

QUICK = (*TINY, "trainer.max_epochs=1", "matching.every_n_epochs=0", "logger=none")


def left(
    folder: Path, number: int, overrides: dict[str, str], metrics: dict | None = None, error: str = ""
) -> None:
    r"""A job's folder as a job leaves it."""
    job = folder / str(number)
    (job / ".hydra").mkdir(parents=True)
    (job / ".hydra" / "overrides.yaml").write_text(
        "".join(f"- {key}={value}\n" for key, value in overrides.items())
    )
    if metrics is not None:
        (job / "metrics.json").write_text(json.dumps(metrics))
    if error:
        (job / "error.txt").write_text(f"{error}\n\nTraceback")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    r"""A sweep over anchors of which one job failed and one was stopped."""
    found = [("equivalent", 1e-3), ("equivalent", 2e-3), ("inconclusive", 0.3)]
    for number, (verdict, error) in enumerate(found):
        metrics = {
            "verdict": verdict,
            "error_a_to_b": error,
            "error_b_to_a": 2 * error,
            "cross_view_psnr": None,
            "seconds_total": 1.0,
        }
        left(tmp_path, number, {"experiment": "horse", "matching.anchors": str(number)}, metrics)
    left(
        tmp_path,
        3,
        {"experiment": "horse", "matching.anchors": "-1"},
        error="'anchors' should be <0 or more>.",
    )
    left(tmp_path, 10, {"experiment": "horse", "matching.anchors": "9"})
    return tmp_path


def test_jobs_are_read_in_the_order_of_their_numbers(sweep: Path) -> None:
    jobs = read_jobs(sweep)
    assert [job.folder.name for job in jobs] == ["0", "1", "2", "3", "10"]
    assert [job.status for job in jobs] == ["finished"] * 3 + ["failed", "unfinished"]
    assert jobs[3].error == "'anchors' should be <0 or more>."
    assert "anchors" in line(jobs[3], {"matching.anchors"}) and "failed" in line(
        jobs[3], {"matching.anchors"}
    )


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'folder'"):
        read_jobs(tmp_path)
    with pytest.raises(ValueError, match="'folder'"):
        SweepReport(None, ["error_a_to_b"])(tmp_path)


def test_what_cannot_be_compared_is_worst() -> None:
    assert objective({"e": 0.2}, "e") == 0.2
    assert objective({"e": None}, "e") == objective({}, "e") == objective({"e": math.nan}, "e") == math.inf


def test_the_report_of_a_sweep_tells_of_every_job(sweep: Path, tmp_path: Path) -> None:
    output = tmp_path / "gathered"
    output.mkdir()
    open_jobs = SweepReport(str(sweep), ["error_a_to_b", "error_b_to_a", "cross_view_psnr"])(output)
    assert open_jobs == 2
    with (output / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows] == ["0", "1", "2", "3", "10"]
    assert [float(row["error_a_to_b"]) for row in rows[:3]] == [1e-3, 2e-3, 0.3]
    assert rows[3]["error"] == "'anchors' should be <0 or more>." and rows[3]["verdict"] == ""
    assert [path.name for path in (output / "figures").iterdir()] == ["matching.anchors.png"]
    text = " ".join(read(output / "report.html").text)
    for part in ("5 jobs: 3 finished, 1 failed, 1 unfinished", "2 equivalent", "<0 or more>", "experiment"):
        assert part in text
    assert "Means and ranges" in text and "Mean and range by matching.anchors" in text


def test_jobs_are_found_wherever_they_lie_and_damaged_ones_are_named(sweep: Path, tmp_path: Path) -> None:
    nested = sweep / "wide" / "deep"
    left(
        nested,
        4,
        {"experiment": "horse", "matching.anchors": "4"},
        {"verdict": "equivalent", "seconds_total": 1},
    )
    (nested / "4" / "provenance.json").write_text(
        json.dumps({"overrides": ["experiment=horse", "matching.anchors=5"]})
    )
    shutil.rmtree(nested / "4" / ".hydra")  # as with hydra.output_subdir=null
    (sweep / "0" / "metrics.json").write_text('{"verdict": "equi')
    (sweep / "1" / ".hydra" / "overrides.yaml").write_bytes(b"\xff{")
    (sweep / "2" / "provenance.json").write_text("[]")
    jobs = {job.name: job for job in read_jobs(sweep)}

    assert set(jobs) == {"0", "1", "2", "3", "10", "wide/deep/4"}
    assert [jobs[name].status for name in ("0", "1", "2")] == ["failed"] * 3
    assert all("damaged" in jobs[name].error for name in ("0", "1", "2"))
    assert jobs["wide/deep/4"].overrides["matching.anchors"] == "5"
    (tmp_path / "gathered").mkdir()
    assert SweepReport(str(sweep), ["error_a_to_b"])(tmp_path / "gathered") == 5


def test_no_cell_of_the_table_is_a_formula(tmp_path: Path) -> None:
    left(
        tmp_path,
        0,
        {"experiment": "horse", "x": "=1+1"},
        {"verdict": "@SUM(1)", "-a": -1.5, "seconds_total": 1},
    )
    left(tmp_path, 1, {"experiment": "horse", "x": "+2"})
    (tmp_path / "gathered").mkdir()
    SweepReport(str(tmp_path), ["error_a_to_b"])(tmp_path / "gathered")
    with (tmp_path / "gathered" / "table.csv").open() as file:
        head, first, second = csv.reader(file)

    assert not any(cell.startswith(tuple("=+@")) for cell in [*head, *first, *second])
    assert not any(cell.startswith("-") for cell in head) and "-1.5" in first


def test_the_display_goes_to_the_workers_without_its_thread(tmp_path: Path) -> None:
    watch = Watch()
    watch._failed = 3
    assert pickle.loads(pickle.dumps(watch))._failed == 0


@pytest.mark.parametrize(
    ("overrides", "count"), [(("seed=0,1,2", "matching.anchors=3,4"), 6), (("seed=range(5)",), 5)]
)
def test_jobs_of_a_sweep_are_counted(overrides: tuple[str, ...], count: int) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    swept = OverridesParser.create().parse_overrides(list(overrides))
    assert jobs_in(OmegaConf.create({"hydra": {"sweeper": {}}}), swept) == count


def sweeping(tmp_path: Path, *overrides: str) -> Any:
    r"""The settings of a job of a sweep, in Hydra's own state as well."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import read_write

    settings = composed(tmp_path, "experiment=horse", *overrides)
    hydra = HydraConfig.instance().cfg
    assert hydra is not None

    with read_write(hydra.hydra):
        hydra.hydra.mode = RunMode.MULTIRUN

    return settings


def test_a_job_that_fails_says_so_in_its_folder(tmp_path: Path, pictures: Path) -> None:
    settings = sweeping(tmp_path, *QUICK, f"dataset.cache={pictures}", "data.batch_size=1000")
    with pytest.raises(JobFailed, match="'batch_size'"):
        run.run(settings)
    assert (tmp_path / "error.txt").read_text().startswith("'batch_size' should")
    assert not (tmp_path / "metrics.json").exists()


def test_a_job_of_a_sweep_is_one_process(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"'trainer\.devices'"):
        run.run(sweeping(tmp_path, *QUICK, "trainer.devices=2", "trainer.strategy=ddp"))


def test_a_finished_job_is_skipped_unless_its_settings_changed(tmp_path: Path, pictures: Path) -> None:
    chosen = (*QUICK, f"dataset.cache={pictures}")
    first = run.run(sweeping(tmp_path, *chosen))
    written = (tmp_path / "report.html").stat().st_mtime_ns
    assert run.run(sweeping(tmp_path, *chosen)) == first
    assert (tmp_path / "report.html").stat().st_mtime_ns == written
    run.run(sweeping(tmp_path, *chosen, "optimizer.lr=0.003"))
    assert (tmp_path / "report.html").stat().st_mtime_ns > written


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_stopped(tmp_path: Path, pictures: Path) -> None:
    epochs, folder = 60, tmp_path / "killed"
    common = ("experiment=horse", f"dataset.cache={pictures}", *QUICK, f"trainer.max_epochs={epochs}")
    command = [
        sys.executable,
        "run.py",
        "-m",
        *common,
        f"hydra.sweep.dir={folder}",
        "optimizer.lr=0.004,0.002",
    ]
    started = subprocess.Popen(
        command,
        cwd=ROOT,
        env=one_thread(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 240
    while not (folder / "1" / "checkpoints" / "last.ckpt").exists():  # the second job is under way
        assert time.monotonic() < until and started.poll() is None
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not (folder / "1" / "metrics.json").exists()
    finished = (folder / "0" / "report.html").stat().st_mtime_ns
    done = program("-m", *common, f"hydra.sweep.dir={folder}", "optimizer.lr=0.004,0.002")
    assert (folder / "0" / "report.html").stat().st_mtime_ns == finished
    assert "2 of 2 jobs finished, 0 failed" in done.stdout
    whole = tmp_path / "whole"
    program(*common, f"hydra.run.dir={whole}", "optimizer.lr=0.002")
    expected = weights(whole)
    assert all((tensor == expected[name]).all() for name, tensor in weights(folder / "1").items())
    epochs_seen = (folder / "1" / "csv").rglob("metrics.csv")
    assert sum(len(path.read_text().splitlines()) for path in epochs_seen) > epochs


LAUNCHERS = {
    "joblib": ("hydra.launcher.n_jobs=2",),
    "submitit_local": (),
    "ray": ("hydra.launcher.ray.init.num_cpus=2",),
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launchers_run_all_jobs_although_one_fails(launcher: str, tmp_path: Path, pictures: Path) -> None:
    plugin = f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher"

    # Of a package inside one that is missing nothing can be asked.
    if not all(importlib.util.find_spec(name) for name in ("hydra_plugins", plugin)):
        pytest.skip('the extra "sweep" is not installed')
    folder = tmp_path / "sweep"
    chosen = ("experiment=horse", f"dataset.cache={pictures}", *QUICK, f"hydra.sweep.dir={folder}")
    done = program(
        "-m",
        *chosen,
        f"launcher={launcher}",
        *LAUNCHERS[launcher],
        "optimizer.lr=0.004,-1,0.002",
        check=False,
    )
    assert done.returncode != 0
    assert "2 of 3 jobs finished, 1 failed" in done.stdout
    jobs = read_jobs(folder)
    assert [job.status for job in jobs] == ["finished", "failed", "finished"]
    assert jobs[1].error.startswith("'lr' should be above 0")
    gathered = tmp_path / "gathered"
    program("experiment=sweep_report", f"folder={folder}", f"hydra.run.dir={gathered}")
    assert len((gathered / "table.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_optuna_finds_the_smallest_error_of_its_trials(tmp_path: Path, pictures: Path) -> None:
    if importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper") is None:
        pytest.skip('the extra "sweep" is not installed')
    from omegaconf import OmegaConf

    chosen = ("experiment=horse", f"dataset.cache={pictures}", *QUICK, f"hydra.sweep.dir={tmp_path}")
    program("-m", *chosen, "sweeper=optuna", "optimizer.lr=interval(0.0005,0.01)")
    jobs = read_jobs(tmp_path)
    assert len(jobs) == 8 and len({job.overrides["optimizer.lr"] for job in jobs}) == 8
    best = OmegaConf.load(tmp_path / "optimization_results.yaml").best_value
    assert best == min(job.metrics["true_error_a_to_b"] for job in jobs if job.metrics)


@pytest.mark.slow
def test_two_processes_train_and_probe_together(tmp_path: Path, pictures: Path) -> None:
    chosen = ("experiment=horse", f"dataset.cache={pictures}", *QUICK)
    program(*chosen, f"hydra.run.dir={tmp_path / 'one'}")
    program(*chosen, f"hydra.run.dir={tmp_path / 'two'}", "trainer.devices=2", "trainer.strategy=ddp")
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert two["verdict"] == one["verdict"]
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, tensor in first.items():  # the mean of two halves' gradients, in another order of rounding
        assert (second[name] - tensor).abs().max() < 0.05 * tensor.abs().max() + 1e-3, name


def test_the_sweep_of_weights_and_biases_sets_what_there_is(tmp_path: Path) -> None:
    import yaml

    told = yaml.safe_load((ROOT / "sweeps" / "wandb.yaml").read_text())
    examples = {
        key: each.get("min", each.get("values", [None])[0]) for key, each in told["parameters"].items()
    }
    fixed = [each for each in told["command"] if not each.startswith("$")]
    composed(tmp_path, *fixed, *(f"{key}={value}" for key, value in examples.items()))
    assert (ROOT / told["program"]).is_file()
    assert told["metric"]["name"].removeprefix("final/") in METRICS


@pytest.mark.slow
def test_the_report_of_a_sweep_opens_in_a_browser_by_itself(sweep: Path, tmp_path: Path) -> None:
    output = tmp_path / "gathered"
    output.mkdir()
    SweepReport(str(sweep), ["error_a_to_b", "error_b_to_a"])(output)
    with Browser() as browser:
        for width in (1280, 390):
            browser.open(output / "report.html", width=width)
            assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
            assert browser.run("document.querySelectorAll('svg.drawn').length") == 1
        assert browser.errors == []
        assert {request.split(":")[0] for request in browser.requests} <= {"file", "data"}


def test_a_job_that_is_still_at_its_figures_is_unfinished_and_not_damaged(tmp_path: Path) -> None:
    left(tmp_path, 0, {"seed": "0"}, {"verdict": "equivalent"})
    (found,) = read_jobs(tmp_path)
    assert found.status == "unfinished" and found.error == ""

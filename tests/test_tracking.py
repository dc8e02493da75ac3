r"""What the loggers get: figures, table, report, the comparison; and the same run after a resume."""

import json
import os
import sqlite3
from pathlib import Path
from unittest.mock import Mock

import pytest
from programs import tiny

from lightning_modules.output.tracking import log_results, run_id


def test_the_run_of_a_folder_is_the_latest(tmp_path: Path) -> None:
    assert run_id(None) is None and run_id(str(tmp_path)) is None
    for name in ("offline-run-20260102_030405-ab-c1", "run-20260101_000000-older", "offline-run-odd"):
        (tmp_path / "wandb" / name).mkdir(parents=True)
    (tmp_path / "wandb" / "latest-run").symlink_to(tmp_path / "wandb" / "run-20260101_000000-older")
    assert run_id(str(tmp_path)) == "ab-c1"


class TensorBoardLogger(Mock):
    r"""Known by its name; `experiment` is the writer."""


def test_tables_of_a_run_stand_beside_its_numbers(tmp_path: Path) -> None:
    logger = TensorBoardLogger()
    pairs = [{"layer_a": "x", "a_to_b": 0.5}, {"layer_a": "y", "a_to_b": 0.25}]
    log_results([logger], {"answered": 2, "notes": ["n"]}, {}, tmp_path, {"layers": pairs})
    logger.log_metrics.assert_called_once_with({"final/answered": 2.0})
    texts = dict(call.args for call in logger.experiment.add_text.call_args_list)
    assert texts["layers"] == "| layer_a | a_to_b |\n| --- | --- |\n| x | 0.5 |\n| y | 0.25 |"
    assert texts["results"].splitlines()[2:] == ["| answered | 2 |", "| notes | ['n'] |"]


@pytest.mark.slow
def test_weights_and_biases_gets_everything_and_goes_on_after_a_resume(
    tmp_path: Path, pictures: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    tiny(first, pictures, "trainer.max_epochs=1")
    tiny(second, pictures, f"resume={first}")
    identifier = run_id(str(first))
    assert identifier and run_id(str(second)) == identifier
    for folder in (first, second):
        (run,) = (folder / "wandb").glob("offline-run-*")
        media = {path.relative_to(run / "files" / "media").parts[0] for path in run.glob("files/media/*/*")}
        assert media == {"html", "images", "table"}
        record = next(run.glob("*.wandb")).read_bytes()
        assert f"comparison-{identifier}".encode() in record
        assert b"comparison.safetensors" in record


@pytest.mark.slow
def test_tensorboard_gets_scalars_figures_and_the_table(tmp_path: Path, pictures: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tiny(tmp_path, pictures, "logger=tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = events.Tags()
    assert {"loss_a", "matching/a_to_b_high", "matching/equivalent", "final/seconds_training"} <= set(
        tags["scalars"]
    )
    assert any(name.startswith("figures/") for name in tags["images"])
    assert any(name.startswith("results") for name in tags["tensors"])


@pytest.mark.slow
def test_trackio_keeps_the_run_on_this_machine_and_goes_on_with_it(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trackio")
    monkeypatch.setitem(os.environ, "TRACKIO_DIR", str(tmp_path / "trackio"))
    done = tiny(tmp_path / "first", pictures, "logger=trackio", "trainer.max_epochs=1")
    assert "Trackio" not in done.stdout + done.stderr
    tiny(tmp_path / "second", pictures, "logger=trackio", f"resume={tmp_path / 'first'}")
    assert (tmp_path / "second" / "trackio.txt").read_text() == (
        tmp_path / "first" / "trackio.txt"
    ).read_text()
    with sqlite3.connect(tmp_path / "trackio" / "equiv.db") as database:
        rows = database.execute("SELECT run_name, metrics FROM metrics").fetchall()
    assert {name for name, _ in rows} == {(tmp_path / "first" / "trackio.txt").read_text()}
    logged = {key for _, metrics in rows for key in json.loads(metrics)}
    assert {"loss_a", "matching/a_to_b_high", "final/seconds_training", "results"} <= logged
    assert any(key.startswith("figures/") for key in logged)

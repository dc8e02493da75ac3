r"""Trains two networks, compares them, writes what was found: `python run.py experiment=NAME [overrides]`."""

import importlib.util
import logging
import os
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

started = time.perf_counter()
os.environ["MPLBACKEND"] = "agg"  # figures go into files; a notebook's, inherited, is of no use here
os.environ.setdefault("MKL_CBWR", "AUTO")  # products the same, wherever in memory factors lie
# Threads that wait for each other in a loop take 60 times as long on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

HELP = """python run.py experiment=NAME [key=value ...]

A run, into outputs/horse/DATE; and one that was stopped goes on:
  python run.py experiment=horse seed=1
  python run.py experiment=horse seed=1 resume=outputs/horse/DATE
A sweep, into multirun/horse/DATE; and one table of all its jobs:
  python run.py -m experiment=horse optimizer.lr=0.004,0.006
  python run.py experiment=sweep_report folder=multirun/horse/DATE
Two networks of your own, at inputs of your own:
  python run.py experiment=compare inputs=x.npy network_a._target_=my.Network \\
      network_b._target_=my.Other network_b.weights=other.pt

debug=default runs everything on little, logger=none without Weights & Biases.
All settings of an experiment: python run.py experiment=NAME --cfg job.
What Hydra offers further: python run.py --hydra-help.

Experiments:
"""


def run(settings: Any) -> float:
    r"""A run with its resolved settings, its folder, its display; returns what a sweep minimises."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf.errors import OmegaConfBaseException

    from lightning_modules.output.display import Display, further, heading
    from lightning_modules.settings import plain

    logging.captureWarnings(True)  # into run.log, with all else that is logged
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)

    with Display(quiet=hydra.mode == RunMode.MULTIRUN or further()) as display:
        with suppress(OmegaConfBaseException):  # what is wrong with the settings, the job tells
            display.note(heading(hydra.runtime.choices["experiment"], plain(settings), folder))

        display(0, 1, "loading")

        return run_job(settings, folder, display)


def run_job(settings: Any, folder: Path, display: Any) -> float:
    r"""What comes after the first lines: from here on everything is imported that a run needs."""
    from hydra.utils import instantiate

    from lightning_modules.output.results import Stopwatch
    from lightning_modules.output.tracking import close
    from lightning_modules.rehearsal import check_types
    from sweeps.jobs import job, objective

    try:
        with job(folder, settings) as start:
            if start.metrics is not None:  # finished before the sweep was stopped
                return objective(start.metrics, settings.objective)

            config = start.config
            check_types(config)
            display(1, 1, "loading")

            if settings.gather:
                return instantiate(settings.gather)(folder)

            clock = Stopwatch(time.perf_counter() if start.sweeping else started)

            if settings.own:
                metrics = compare_own(settings, config, folder, clock, display)
            elif settings.pretrained:
                metrics = compare_pretrained(settings, config, folder, clock, display)
            elif settings.study:
                metrics = study(settings, config, folder, start.resume, clock, display)
            else:
                metrics = compare(settings, config, folder, start.resume, clock, display)

            return objective(metrics, settings.objective)
    finally:
        close()


def compare_own(
    settings: Any, config: dict[str, Any], folder: Path, clock: Any, display: Any
) -> dict[str, Any]:
    r"""Compares networks that others trained; or says the names of their layers, and returns nothing."""
    from lightning_modules.output.tracking import loggers
    from lightning_modules.own.comparison import compare_own, listed
    from lightning_modules.own.layers import compare_own_layers

    if (trees := listed(config)) is not None:
        display.say(trees)

        return {}

    compared = compare_own if config["layers"] is None else compare_own_layers
    results = compared(config, folder, clock, loggers(settings), display)
    display.say(results.told(folder))

    return results.metrics


def compare_pretrained(
    settings: Any, config: dict[str, Any], folder: Path, clock: Any, display: Any
) -> dict[str, Any]:
    r"""Compares networks whose weights came with an installed package; evaluates, writes, returns the metrics."""
    from hydra.utils import instantiate

    from lightning_modules.evaluations.finding import placed
    from lightning_modules.output.results import Results
    from lightning_modules.output.tracking import loggers
    from lightning_modules.own.sides import save_networks
    from lightning_modules.pair import build_pair

    with clock("data"):
        pair = build_pair(config).eval()
        views = instantiate(settings.dataset).prepare(display)

    matching = instantiate(settings.matching)

    with clock("matching"):
        matching.compare(pair, views, display)

    display(0, 1, "figures and report")
    finding = instantiate(settings.evaluation)(pair, views, matching)
    finding = placed(finding, pair, views, matching.last, settings.matching.anchors)
    save_networks({"a": pair.network_a, "b": pair.network_b}, folder, config)
    results = Results(matching.last.result, finding, settings.matching.anchors)
    results.metrics["seconds_training"] = 0.0
    results.write(folder, clock, loggers(settings), config)
    display.say(results.told(folder))

    return results.metrics


def study(
    settings: Any, config: dict[str, Any], folder: Path, resume: str | None, clock: Any, display: Any
) -> dict[str, Any]:
    r"""Trains many networks side by side and looks at them together; returns what `metrics.json` holds."""
    from lightning_modules.studies.study import run_study

    results = run_study(settings, config, folder, resume, clock, display)
    display.say(results.told(folder))

    return results.metrics


def compare(
    settings: Any, config: dict[str, Any], folder: Path, resume: str | None, clock: Any, display: Any
) -> dict[str, Any]:
    r"""Makes the data, trains (a callback compares), evaluates, writes; returns what `metrics.json` holds.

    Nothing in all processes but the first of those that train together.
    """
    from callbacks.progress import TrainingProgress
    from lightning_modules.checkpoints import keep_last, resume_from
    from lightning_modules.evaluations.finding import placed
    from lightning_modules.output.layers import leave_layers, through_training
    from lightning_modules.output.results import MEASURES, Results
    from lightning_modules.output.tracking import loggers
    from lightning_modules.pair import build_pair
    from lightning_modules.rehearsal import (
        built,
        check_monitored,
        check_objective,
        check_processes,
        rehearse,
        setting,
    )

    # All that can be wrong with the settings is found before any data are made.
    matching = built(settings.matching, "matching", leave=leave_layers)
    dataset, evaluation = (built(settings[name], name) for name in ("dataset", "evaluation"))
    check_objective(settings.objective, evaluation, MEASURES)
    display(0, 1, "rehearsal")
    rehearse(config, dataset, matching.settings, evaluation)
    display(1, 1, "rehearsal")
    checkpoint = resume_from(resume, config)
    callbacks = [built(each, f"callbacks.{name}") for name, each in settings.callbacks.items()]
    check_monitored(callbacks)
    callbacks += [matching, TrainingProgress(display)]
    pair = build_pair(config)

    with setting("logger"):
        written = list(loggers(settings))

    trainer = built(settings.trainer, "trainer", callbacks=callbacks, logger=written)
    check_processes(trainer.num_devices)

    with clock("data"):
        views = dataset.prepare(display)
        data = views.data_module(**config["data"], seed=settings.seed)

    with clock("training"):
        trainer.fit(pair, datamodule=data, ckpt_path=checkpoint, weights_only=True)

    keep_last(trainer, folder)
    clock.move("training", "matching", matching.seconds)

    if not trainer.is_global_zero:
        return {}

    matching.last.result.save(folder / "comparison")  # whatever the evaluation comes to
    display(0, 1, "figures and report")
    finding = evaluation(pair.cpu(), views, matching)
    finding = placed(finding, pair, views, matching.last, settings.matching.anchors)
    finding = finding.beside(through_training(matching.matrices))
    results = Results(matching.last.result, finding, settings.matching.anchors)
    results.write(folder, clock, trainer.loggers, config)
    display.say(results.told(folder))

    return results.metrics


def listing() -> str:
    r"""The experiments, how long each takes on two cores, and what each is: a paragraph each."""
    from omegaconf import OmegaConf

    from lightning_modules.output.display import COLUMNS

    files = sorted((Path(__file__).parent / "conf" / "experiment").glob("*.yaml"))
    rows: list[tuple[str, Any]] = [(file.stem, OmegaConf.load(file)) for file in files]

    return "\n".join(
        textwrap.fill(
            each.description,
            COLUMNS,
            initial_indent=f"{name:<20}  {each.get('duration', ''):>5}  ",
            subsequent_indent=" " * 29,
        )
        for name, each in rows
    )


def main() -> None:
    r"""The command: help, or one run or sweep; whatever ends it, in one sentence."""
    if importlib.util.find_spec("hydra") is None:
        sys.exit("error: run.py needs more than the library: pip install -c constraints.txt -e '.[research]'")

    if len(sys.argv) == 1:
        print(f"python run.py experiment=NAME [overrides] (--help: examples), NAME one of\n\n{listing()}")
        return

    if {"-h", "--help"} & set(sys.argv[1:]):
        print(f"{HELP}\n{listing()}")
        return

    import hydra

    from conf.schema import register
    from lightning_modules.output.told import told

    register()
    # Settings last, wherever they stand: Hydra's parser takes none behind an option that others stand before.
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda each: not each.startswith("-") and "=" in each)

    with told():
        hydra.main(version_base="1.3", config_path="conf", config_name="config")(run)()


if __name__ == "__main__":
    main()

r"""Trains two networks, compares them, writes what was found: `python run.py experiment=NAME [overrides]`."""

import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

started = time.perf_counter()


def run(settings: Any) -> float:
    r"""Builds, trains (the callback compares), evaluates, writes; returns what a sweep minimises."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from callbacks.progress import Display
    from lightning_modules.pair import build_pair, resume_from
    from lightning_modules.results import Results, Stopwatch, plain
    from lightning_modules.tracking import close, loggers
    from sweeps.jobs import job, objective

    logging.captureWarnings(True)  # into run.log, with all else that is logged
    folder, config = Path(HydraConfig.get().runtime.output_dir), plain(settings)
    try:
        with job(folder, config) as start, Display(quiet=start.sweeping) as display:
            clock = Stopwatch(time.perf_counter() if start.sweeping else started)
            if start.metrics is not None:  # finished before the sweep was stopped
                return objective(start.metrics, settings.objective)
            if settings.gather:
                return instantiate(settings.gather)(folder)
            with clock("data"):
                views = instantiate(settings.dataset).prepare(display)
            pair = build_pair(config)
            matching = instantiate(settings.matching, _partial_=True)(views, progress=display)
            trainer = instantiate(settings.trainer, _partial_=True)(
                callbacks=[*(instantiate(each) for each in settings.callbacks.values()), matching, display],
                logger=loggers(settings),
            )
            checkpoint = resume_from(settings.resume or start.resume, config)
            with clock("training"):
                data = views.data_module(**config["data"], seed=settings.seed)
                trainer.fit(pair, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            clock.move("training", "matching", matching.seconds)
            if not trainer.is_global_zero:
                return math.nan
            display(0, 1, "figures and report")
            finding = instantiate(settings.evaluation)(pair.cpu(), views, matching)
            results = Results(matching.last.result, finding, settings.matching.anchors)
            results.write(folder, clock, trainer.loggers, config)
            display.say(f"Written to {folder}\n\n{results}")
            return objective(results.metrics, settings.objective)
    finally:
        close()


def listing() -> str:
    r"""The experiments, one line each."""
    from omegaconf import OmegaConf

    files = sorted((Path(__file__).parent / "conf" / "experiment").glob("*.yaml"))
    rows = ((file.stem, OmegaConf.load(file).description) for file in files)
    return "\n".join(f"{name:<20}  {text}" for name, text in rows)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(f"python run.py experiment=NAME [overrides], NAME one of\n\n{listing()}")
    else:
        import hydra

        from conf.schema import register

        register()
        hydra.main(version_base="1.3", config_path="conf", config_name="config")(run)()

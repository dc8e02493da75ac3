r"""Trains two networks, compares them, writes what was found: `python run.py experiment=NAME [overrides]`."""

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

started = time.perf_counter()
log = logging.getLogger("run")


def run(settings: "DictConfig") -> None:
    r"""Builds, trains (the callback compares), evaluates, writes. Heavy imports wait until there is a run."""
    global started
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    from callbacks.progress import Display
    from lightning_modules.batches import InMemory
    from lightning_modules.pair import build_pair, resume_from
    from lightning_modules.results import Results, Stopwatch, close, plain

    logging.captureWarnings(True)  # into run.log, with all else that is logged
    folder, config, clock = Path(HydraConfig.get().runtime.output_dir), plain(settings), Stopwatch(started)
    try:
        with Display() as display:
            with clock("data"):
                views = instantiate(settings.dataset).prepare(display)
            pair = build_pair(config)
            data = InMemory(views.a.samples, views.b.samples, config["optimizer"]["batch_size"], settings.seed)
            matching = instantiate(settings.matching, _partial_=True)(views)
            trainer = instantiate(settings.trainer, _partial_=True)(
                callbacks=[*(instantiate(each) for each in settings.callbacks.values()), matching, display],
                logger=[instantiate(each) for each in settings.logger.values()],
            )
            checkpoint = resume_from(settings.resume, config) if settings.resume else None
            with clock("training"):
                trainer.fit(pair, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            clock.move("training", "matching", matching.seconds)
            if trainer.is_global_zero:
                display(0, 1, "figures and report")
                finding = instantiate(settings.evaluation)(pair.cpu(), views, matching)
                results = Results(matching.last.result, finding, settings.matching.anchors)
                results.write(folder, clock, trainer.loggers, config)
                display(1, 1, "figures and report")
                display.say(f"Written to {folder}\n\n{results}")
    except (InstantiationException, TypeError, ValueError) as error:
        log.info("the run failed", exc_info=True)  # for run.log; the terminal gets the sentence
        sentence = error.__cause__ if isinstance(error, InstantiationException) else error
        raise SystemExit(f"error: {sentence}") from None
    finally:
        close()
        started = time.perf_counter()  # of the next job of a sweep


def listing() -> str:
    r"""The experiments, one line each."""
    from omegaconf import OmegaConf

    files = sorted((Path(__file__).parent / "conf" / "experiment").glob("*.yaml"))
    rows = ((file.stem, OmegaConf.load(file).description) for file in files)
    return "\n".join(f"{name:<16}  {text}" for name, text in rows)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(f"python run.py experiment=NAME [overrides], NAME one of\n\n{listing()}")
    else:
        import hydra

        from conf.schema import register

        register()
        hydra.main(version_base="1.3", config_path="conf", config_name="config")(run)()

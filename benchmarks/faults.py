r"""Faulty command lines, over every experiment and option: what is said of each, in how many lines, how soon.

Each is the program itself, in a process of its own that is a copy of one in which torch and Lightning are loaded; what
loading takes is measured once, and counted with each. A few are started anew as a check of that.

    python benchmarks/faults.py [--first N]     writes benchmarks/results/faults.md
"""

import argparse
import os
import random
import resource
import runpy
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Lines of a screen.
SCREEN = 25
#: Seconds of processor time after which a fault counts as not told.
PATIENCE = 30
TRAINED = (
    *("horse", "horse_gait", "horse_negative", "reconstruction", "reconstruction_horse"),
    *("scalar_monotone", "scalar_nonmonotone", "training", "transfer", "vector_field"),
)
#: What is wrong with every experiment.
EVERYWHERE = (
    "matching.anchors=two",
    "matching.method=magic",
    "matching.module_a=network_a.nothing",
    "optimizer.lr=fast",
    "trainer.max_epoch=3",
    "architecture.network_b._target_=lightning_modules.networks.Autoencoders",
)
#: What is wrong with one of them.
ONCE = {
    "horse": (
        *("seed=one", "seed=-1", "foo=1", "max_epochs=3", "resume=nowhere", "relation=treble", "objective=eror"),
        *("dataset.n_train=0", "dataset.n_train=many", "dataset.n_held_out=0", "dataset.size=20", "dataset.size=big"),
        *("dataset.burst_step=0", "dataset.burst_step=4", "dataset.burst_size=1", "dataset.mesh=nowhere.ply"),
        *("dataset.mesh_step=1", "dataset.supersampling=0", "dataset.workers=two", "dataset.cache=/proc/nowhere"),
        *("dataset.n_trian=5", "dataset.mesh=${nothing}", "data.batch_size=0", "data.batch_size=5000", "data.size=3"),
        *("data.batch_size=some", "matching.anchors=-1", "matching.anchors=1.5", "matching.tolerance=2"),
        *("matching.tolerance=small", "matching.confidence=1", "matching.sample=4", "matching.sample=all"),
        *("matching.layers=some", "matching.layers_a=[nothing]", "matching.layers_b=[7]", "matching.neurons_a=20"),
        *("matching.neurons_b=lots", "matching.neurons_a=[[99]]", "matching.epochs=3", "matching.every_n_epochs=-1"),
        *("matching.every_n_epochs=often", "matching.tolerence=0.1", "matching=unpeared", "optimizer.lr=-1"),
        *("optimizer.weight_decay=-1", "optimizer._target_=torch.optim.AdamV", "optimizer._target_=torch.optim"),
        *("optimizer._target_=torch.optim.RMSprop", "optimizer.momentum=0.9", "optimizer=adam", "~optimizer.lrr"),
        *("optimizer._target_=nowhere.Adam", "optimizer._partial_=false", "scheduler.epochs=0", "scheduler=cosine"),
        *("scheduler.warmup_epochs=50", "scheduler.final=2", "scheduler.warmup_epochs=some"),
        *("trainer.accelerator=gup", "trainer.accelerator=cuda", "trainer.devices=99", "trainer.devices=none"),
        *("trainer.max_epochs=three", "trainer.precision=12", "trainer.strategy=dddp", "trainer.max_time=soon"),
        *("trainer.gradient_clip_algorithm=nrom", "trainer.limit_train_batches=all", "trainer.max_epochs=-3"),
        *("trainer.profiler=quick", "architecture.network_a.latent=many", "architecture.network_a.latent=0"),
        *("architecture.network_a.size=32", "architecture.network_b.encoder=8", "architecture.network_a.depth=3"),
        *("architecture.network_a.encoder=[8,-8]", "architecture=mlps", "architecture=autoencoder"),
        *("evaluation.columns=0", "evaluation.moments=few", "evaluation=nothing", "callbacks=besst"),
        *("callbacks.checkpoint.monitor=nothing", "callbacks=best callbacks.best.mode=least"),
        *("callbacks.check.mode=min",),
        *("callbacks=early_stopping callbacks.early_stopping.monitor=nothing", "logger=wanb", "logger=trackio"),
        *("+logger.x._target_=nowhere.Logger", "launcher=slurm", "sweeper=optunaa", "debug=yes", "experiment=hors"),
        *("matching.layers_a=[1", "resume", "=3", "hydra.run.dir=/proc/nowhere", "--cfgg job", "dataset={"),
        *("dataset=3",),
        *("-m seed=1,one", "-m optimizer.lr=fast,slow",),
    ),
    "horse_gait": (
        *("dataset.phases=1", "dataset.yaws=few", "relation=half", "evaluation.frames=0", "evaluation.strides=0"),
    ),
    "reconstruction": (
        *("evaluation.layers=[hidden9]", "evaluation.counts=[0]", "evaluation.counts=[1,2,3,5,99]"),
        *("evaluation.choices=0", "evaluation.shown=[7]", "evaluation.tolerance=0", "evaluation.samples=1"),
    ),
    "scalar_monotone": (
        *("dataset.a.n_train=0", "dataset.low=[1.0]", "dataset.low=[]", "dataset.a.learns.steepness=steep"),
        *("dataset.a.learns._target_=lightning_modules.data.observed.monotonne", "relation=half"),
        *("architecture.network_a.inputs=2", "architecture.network_a.outputs=2", "architecture.network_a.hidden=[0]"),
        *("architecture.network_a.activation._target_=torch.nn.Tan",),
    ),
    "scalar_nonmonotone": ("matching.neurons_a=fewer", "dataset.b.sees.bend=much"),
    "transfer": ("evaluation.layer=hidden9", "evaluation.layer=output", "evaluation.draws=0", "evaluation.labels=[0]"),
    "vector_field": (
        *("evaluation.lines=1", "evaluation.points=some", "dataset.high=[1.0]", "architecture.network_b.inputs=3"),
    ),
    "training": ("matching.epochs=[first]", "dataset.b.n_train=-4"),
    "sweep_report": ("", "folder=nowhere", "folder=conf", "gather.y=error", "gather.z=1"),
    "compare": (
        *("", "network_a._target_=nowhere.Net", "network_a.weights=nowhere.pt", "observations_a=nowhere.npz"),
        *("network_a._target_=torch.nn.Linear network_a.width=3", "inputs=nowhere.npy", "paired=perhaps"),
        *("network_a._target_=torch.nn.Tanh network_b._target_=torch.nn.Tanh", "tolerance=small", "frames=[1]"),
    ),
}  # fmt: skip


def lines() -> list[list[str]]:
    r"""The faulty command lines."""
    everywhere = [[f"experiment={name}", fault] for name in TRAINED for fault in EVERYWHERE]
    once = [[f"experiment={name}", *fault.split()] for name, faults in ONCE.items() for fault in faults]

    return [["matching.anchors=3"], ["horse"], *everywhere, *once]


def told(arguments: list[str], folder: Path) -> tuple[int, str, float]:
    r"""Exit code, all that was said, and seconds of processor time of one command, in a copy of this process."""
    said = folder / "said.txt"
    where = (
        [] if any(each.startswith("hydra.run") for each in arguments) else [f"hydra.run.dir={folder / 'run'}"]
    )
    more = [f"hydra.sweep.dir={folder / 'sweep'}"] if "-m" in arguments else where
    quiet = [] if any(each.startswith(("logger=", "+logger")) for each in arguments) else ["logger=none"]

    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["run.py", *arguments, *more, *quiet]
        code = 0

        try:
            runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
        except SystemExit as ended:
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)

            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 1

        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    _, status, used = os.wait4(child, 0)
    words = said.read_text(errors="replace").replace(str(folder), "FOLDER").replace(str(ROOT), "HERE")

    return os.waitstatus_to_exitcode(status), words, used.ru_utime + used.ru_stime


def anew(arguments: list[str], folder: Path) -> float:
    r"""Seconds of processor time of one command that Python is started for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "run.py", *arguments, "logger=none", f"hydra.run.dir={folder}"],
        cwd=ROOT,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def quoted(said: str) -> str:
    r"""As code in a cell of a table."""
    return said.replace("|", "/").replace("`", "'")


def page(rows: list[tuple[list[str], bool, int, float, str]], anew: list[float]) -> str:
    r"""What was measured so far."""
    seconds, good = [row[3] for row in rows], sum(row[1] for row in rows)
    fresh = (
        f" ({len(anew)} that were started anew: {', '.join(f'{each:.1f}' for each in anew)})" if anew else ""
    )
    text = [
        "# Faulty command lines",
        "",
        f"{len(rows)} command lines; {good} end without a traceback, in at most {SCREEN} lines, and not as a fault of "
        f"ours; the longest is {max(row[2] for row in rows)} lines. Seconds of one core until it is said, loading "
        f"included: median {statistics.median(seconds):.1f}, at most {max(seconds):.1f}{fresh}.",
        "",
        "| command line | lines | s | said |",
        "| --- | --- | --- | --- |",
    ]
    mark = {True: "", False: "**short of it** "}
    text += [
        f"| `{' '.join(arguments)}` | {count} | {spent:.1f} | {mark[fine]}`{quoted(said)}` |"
        for arguments, fine, count, spent, said in rows
    ]

    return "\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--first", type=int, help="so many of the command lines, in random order; all by default"
    )
    first = parser.parse_args().first
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    # What every run loads, once for all, and nothing here calls.
    import hydra  # noqa: F401
    import pytorch_lightning  # noqa: F401

    import lightning_modules.data.functions
    import lightning_modules.evaluations.reconstruction
    import lightning_modules.rehearsal  # noqa: F401

    loading, rows, file = time.process_time(), [], ROOT / "benchmarks" / "results" / "faults.md"
    chosen = random.Random(0).sample(lines(), first or len(lines()))

    with tempfile.TemporaryDirectory() as name:
        for arguments in chosen:
            code, said, seconds = told(arguments, Path(name))
            told_lines = [line for line in said.splitlines() if line.strip()]
            good = code not in (0, -signal.SIGKILL, -signal.SIGXCPU) and "Traceback" not in said
            good = good and len(told_lines) <= SCREEN and "no fault of yours" not in said
            told_at = next((k for k, line in enumerate(told_lines) if line.startswith("error:")), 0)
            rows.append((arguments, good, len(told_lines), seconds + loading, " ".join(told_lines[told_at:])))
            print("fine " if good else "SHORT", *arguments, "->", rows[-1][-1], flush=True)
            file.write_text(page(rows, []))

        file.write_text(page(rows, [anew(arguments, Path(name)) for arguments in chosen[:2]]))


if __name__ == "__main__":
    main()

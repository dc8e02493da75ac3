r"""Time and memory of Mahalanobis diffusion maps, beside NumPy/SciPy and datafold, on one thread.

    python benchmarks/speed.py                                       # equiv and NumPy, and the sparse form
    python benchmarks/speed.py --datafold /path/to/its/bin/python    # datafold 2.0.2 too: minutes

Every cell is a process of its own: 10 coordinates of n random points of the unit square, seen through 10
neurons, with one epsilon for all; then of other input spaces seen through 3 to 50 neurons. Times are the best
of a few runs in the process, on the clock and of the processor (which other programs on the machine disturb
less); memory is the peak of the process, and that peak less what it held before the fit (imports and data).
Writes `benchmarks/results/speed.md` and `speed.json`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SIZES = (1000, 2000, 4000)
SPARSE_SIZES = (10_000, 30_000, 100_000)
DATAFOLD_SIZES = (1000, 2000)  # minutes beyond
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS"), "1"
)
EXACT = 9.8696044  # the first eigenvalue of the unit square, pi^2
# Other input spaces of `tests/manifolds.py`, and the neurons through which they are seen.
SPACES = {"interval": 3, "rectangle": 50, "circle": 10, "torus": 50, "cube": 10}
SPACE_SIZES = (1000, 2000)


def problem(n: int, space: str = "") -> tuple[Any, Any]:
    r"""Values (n, d) and exact frames (n, d, m) of random points of a space; "": the unit square, d = 10."""
    if space:
        sys.path[:0] = [str(ROOT / "tests")]
        from manifolds import DOMAINS, observe

        obs = observe(DOMAINS[space], DOMAINS[space].sample(n, 0), SPACES[space], 3)

        return obs.values.numpy(), obs.frames.numpy()

    import numpy as np

    x = np.random.default_rng(0).random((n, 2))
    rng = np.random.default_rng(5)
    A, b, L = 1.5 * rng.normal(size=(2, 10)), rng.uniform(0, 2 * np.pi, 10), rng.normal(size=(2, 10))

    return np.sin(x @ A + b) + x @ L, np.cos(x @ A + b)[:, :, None] * A.T + L.T


def memory_mib(field: str) -> float:
    """This process's resident memory now ("VmRSS") or at its peak ("VmHWM"); Linux only.

    `getrusage` would count what the parent held when it forked.
    """
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))

    return int(line.split()[1]) / 1024


def numpy_maps(values: Any, frames: Any, epsilon: float) -> float:
    r"""The same kernel, tangency tested, in vectorised NumPy, ARPACK for the eigenpairs; its first eigenvalue."""
    import numpy as np
    from scipy.sparse.linalg import eigsh

    basis, scale, _ = np.linalg.svd(frames, full_matrices=False)  # (n, d, m), (n, m)
    whitening = basis / scale[:, None]
    offset = np.einsum("ndk,nd->nk", whitening, values)
    half = np.zeros((len(values), len(values)))
    # Half of the squared differences less what is tangent: positive where more than half is normal.
    square = 0.5 * np.square(values).sum(axis=1)
    normal = values @ values.T
    np.subtract(square, normal, out=normal)
    normal += square[:, None]

    for k in range(frames.shape[2]):
        part = whitening[:, :, k] @ values.T
        part -= offset[:, k, None]
        half += np.square(part, out=part)
        part *= np.square(scale[:, k, None])
        normal -= part

    half[normal > 1e-14 * square.max()] = np.inf
    del part, normal
    kernel = half + half.T
    del half
    kernel *= -0.125 / epsilon
    np.exp(kernel, out=kernel)
    density = kernel.sum(axis=1)
    kernel /= density[:, None]
    kernel /= density
    root = np.sqrt(kernel.sum(axis=1))
    kernel /= root[:, None]
    kernel /= root
    mu, vectors = eigsh(kernel, k=11, which="LA", v0=np.ones(len(values)))
    order = np.argsort(-mu)
    _ = vectors[:, order] / root[:, None]

    return float(-np.log(mu[order][1]) / epsilon)


def run_cell(method: str, n: int, epsilon: float, space: str) -> dict[str, float]:
    r"""One measurement, in this process."""
    values, frames = problem(n, space)

    if method == "numpy":
        import scipy.sparse.linalg

        assert scipy.sparse.linalg

        def fit() -> float:
            return numpy_maps(values, frames, epsilon)
    else:
        import torch

        from equiv import DiffusionMaps, Observations

        torch.set_num_threads(1)
        obs = Observations(torch.from_numpy(values), torch.from_numpy(frames))
        DiffusionMaps(1).fit(obs.subset(torch.arange(60)))  # libraries load on first use
        chosen = "auto" if method == "equiv, its own epsilon" or n > max(SIZES) else epsilon

        def fit() -> float:
            return DiffusionMaps(10, epsilon=chosen).fit(obs).eigenvalues_[1].item()

    base, seconds, cpu = memory_mib("VmRSS"), [], []

    for _ in range(max(1, min(5, 8000 // n))):
        start, busy = time.perf_counter(), time.process_time()
        eigenvalue = fit()
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - busy)

    return {
        "seconds": min(seconds),
        "cpu": min(cpu),
        "base": base,
        "peak": memory_mib("VmHWM"),
        "eigenvalue": eigenvalue,
    }


def in_own_process(command: list[str]) -> dict[str, float]:
    done = subprocess.run(
        command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True, cwd=ROOT
    )

    return json.loads(done.stdout.strip().splitlines()[-1])


def shared_epsilon(n: int, space: str = "") -> float:
    r"""The epsilon of `equiv`'s rule, given to every method."""
    import torch

    from equiv import DiffusionMaps, Observations

    values, frames = problem(n, space)

    return DiffusionMaps(1).fit(Observations(torch.from_numpy(values), torch.from_numpy(frames))).epsilon_


def measure(datafold: str | None) -> list[dict[str, Any]]:
    rows = []

    for n in (*SIZES, *SPARSE_SIZES):
        methods = ["equiv", "equiv, its own epsilon", "numpy"] if n in SIZES else ["equiv"]
        epsilon = shared_epsilon(n) if n in SIZES else 0.0

        for method in methods:
            cell = in_own_process(
                [sys.executable, __file__, "--cell", method, "--n", str(n), "--epsilon", repr(epsilon)]
            )
            rows.append({"method": method, "n": n, **cell})
            print(rows[-1], flush=True)

        if datafold and n in DATAFOLD_SIZES:
            import numpy as np

            values, frames = problem(n)

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "data.npz"
                np.savez(path, values=values, frames=frames, epsilon=epsilon)
                script = str(ROOT / "benchmarks" / "datafold_reference.py")
                rows.append(
                    {"method": "datafold 2.0.2", "n": n, **in_own_process([datafold, script, str(path)])}
                )
                print(rows[-1], flush=True)

    for n in SPACE_SIZES:
        for space in SPACES:
            options = ["--n", str(n), "--space", space, "--epsilon", repr(shared_epsilon(n, space))]
            for method in ("equiv", "numpy"):
                cell = in_own_process([sys.executable, __file__, "--cell", method, *options])
                rows.append({"method": method, "n": n, "space": space, **cell})
                print(rows[-1], flush=True)

    return rows


def table(rows: list[dict[str, Any]]) -> str:
    r"""The rows as Markdown, with what each method takes as a multiple of `equiv`."""
    square = [row for row in rows if "space" not in row]
    others = [row for row in rows if "space" in row]
    ours = {row["n"]: row["cpu"] for row in square if row["method"] == "equiv"}
    lines = [
        "# Speed of diffusion maps, one thread",
        "",
        __doc__.strip().splitlines()[0],
        "",
        "10 coordinates of n random points of the unit square through 10 neurons. `equiv` is dense up to",
        "3,000 samples and sparse beyond; above 4,000 it chooses epsilon itself. NumPy tests tangency too",
        "(without, the torus has a first eigenvalue 6 times too large at 1,000 samples), datafold does",
        "not. Memory: peak of the process, and that less imports and data. Last: eigenvalue / pi^2.",
        "",
        "| n | method | seconds | CPU seconds | times equiv (CPU) | peak, MiB | peak less base, MiB | eigenvalue |",
        "|---|---|---|---|---|---|---|---|",
    ]

    for row in square:
        ratio, above = row["cpu"] / ours[row["n"]], row["peak"] - row["base"]
        lines.append(
            f"| {row['n']:,} | {row['method']} | {row['seconds']:.3g} | {row['cpu']:.3g} | {ratio:.3g} "
            f"| {row['peak']:.0f} | {above:.0f} | {row['eigenvalue'] / EXACT:.3f} |"
        )

    lines += [
        "",
        "## Other input spaces: CPU seconds",
        "",
        "| n | input space | neurons | equiv | NumPy | times equiv |",
        "|---|---|---|---|---|---|",
    ]

    for one, other in zip(others[::2], others[1::2], strict=True):
        lines.append(
            f"| {one['n']:,} | {one['space']} | {SPACES[one['space']]} | {one['cpu']:.3g} | {other['cpu']:.3g} "
            f"| {other['cpu'] / one['cpu']:.3g} |"
        )

    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datafold", help="a Python interpreter that has datafold 2.0.2")
    parser.add_argument("--cell", help="measure this method in this process")
    parser.add_argument("--n", type=int)
    parser.add_argument("--epsilon", type=float)
    parser.add_argument("--space", default="", choices=["", *SPACES])
    options = parser.parse_args()

    if options.cell:
        print(json.dumps(run_cell(options.cell, options.n, options.epsilon, options.space)))
        return

    rows = measure(options.datafold)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "speed.json").write_text(json.dumps(rows, indent=1) + "\n")
    (RESULTS / "speed.md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()

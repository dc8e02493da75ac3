r"""Mahalanobis diffusion maps by datafold 2.0.2, run by `speed.py` in an environment of its own.

    python benchmarks/datafold_reference.py data.npz

It imports nothing of this project: datafold pins old NumPy and SciPy. `data.npz` holds `values` (n, d),
`frames` (n, d, m) and `epsilon` in the convention exp(-d2 / (4 epsilon)). Its last line of output is a JSON
object.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from datafold.dynfold import DiffusionMaps
from datafold.pcfold.distance import init_distance_algorithm
from datafold.pcfold.kernels import MahalanobisKernel


def memory_mib(field: str) -> float:
    """This process's resident memory now ("VmRSS") or at its peak ("VmHWM"); Linux only.

    `getrusage` would count what the parent held when it forked.
    """
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))

    return int(line.split()[1]) / 1024


def main(path: str) -> None:
    warnings.filterwarnings("ignore")  # deprecations of its own dependencies
    data = np.load(path)
    values, frames, epsilon = data["values"], data["frames"], float(data["epsilon"])
    # Its argument called covariances takes their inverses.
    inverses = np.linalg.pinv(frames @ frames.transpose(0, 2, 1), rcond=1e-10, hermitian=True)
    base, start, busy = memory_mib("VmRSS"), time.perf_counter(), time.process_time()
    distance = init_distance_algorithm(backend="brute", metric="euclidean", cut_off=np.inf)
    # Its kernel is exp(-d2 / (2 epsilon)); a cut-off of infinity is its dense path.
    maps = DiffusionMaps(MahalanobisKernel(epsilon=2 * epsilon, distance=distance), n_eigenpairs=11)
    maps.fit(values, kernel_kwargs={"cov_matrices": inverses})
    seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    spectrum = -np.log(np.sort(np.real(np.asarray(maps.eigenvalues_)))[::-1]) / epsilon
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu": cpu,
                "base": base,
                "peak": memory_mib("VmHWM"),
                "eigenvalue": float(spectrum[1]),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])

r"""A gate in a pipeline: the new model is released only if all that the old one knew can be read off it."""

import subprocess
import sys

import numpy as np

# What the two models made of the same inputs; a real pipeline has these files.
generator = np.random.default_rng(0)
old = generator.normal(size=(500, 6))
np.save("old.npy", old)
np.save("good.npy", old @ generator.normal(size=(6, 10)))  # another basis, and more neurons
np.save("bad.npy", old[:, :1])  # most is gone

EQUIVALENT, NEW_DETERMINES_OLD = 0, 10  # the exit codes that let a model pass, A being the new one

for new in ("good.npy", "bad.npy"):
    gate = [sys.executable, "-m", "equiv", new, "old.npy", "--paired", "--tolerance", "0.1", "--json"]
    code = subprocess.run(gate, stdout=subprocess.DEVNULL).returncode
    print(
        f"{new}: {'released' if code in (EQUIVALENT, NEW_DETERMINES_OLD) else 'held back'} (exit code {code})"
    )

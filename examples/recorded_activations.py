r"""Activations that were recorded anywhere, in files, compared without a line of code."""

import subprocess
import sys

import numpy as np

generator = np.random.default_rng(0)
states = generator.normal(size=(400, 3))
mixing = generator.normal(size=(8, 8))
a = np.tanh(states @ generator.normal(size=(3, 8)))
trials = np.arange(400) // 4  # four trials of each state: no independent draws, and held out together

np.savez("a.npz", values=a, groups=trials)
np.save("b.npy", a @ mixing)
np.save("part.npy", a[:, :1])

compare = [sys.executable, "-m", "equiv", "--paired"]
whole = subprocess.run([*compare, "a.npz", "b.npy", "--report", "report.html"])
part = subprocess.run([*compare, "a.npz", "part.npy", "--json"], capture_output=True, text=True)
print(f"exit codes {whole.returncode} and {part.returncode}")
print(part.stdout[:200], "...")

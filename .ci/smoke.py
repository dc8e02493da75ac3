r"""What an installed wheel has to do, by itself: import, compare, report, save and load."""

import sys
from importlib import metadata, resources
from pathlib import Path

import numpy as np
import torch
from torch import nn

import equiv

assert Path(equiv.__file__).is_relative_to(sys.argv[1]), f"{equiv.__file__} is not the wheel's"
assert equiv.__version__ == metadata.version("equiv")
held = resources.files("equiv")
assert all((held / name).is_file() for name in ("py.typed", "report/report.css", "report/report.js"))

torch.manual_seed(0)
a = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
b = nn.Sequential(a, nn.Linear(8, 8))
inputs = torch.rand(60, 2)
result = equiv.compare(a, b, inputs)
assert result.verdict == "equivalent", result.summary()
assert Path(result.report("report.html")).stat().st_size > 10_000
result.save("saved")
assert equiv.load("saved").summary(details=True) == result.summary(details=True)

np.save("a.npy", a(inputs).detach().numpy())
np.save("b.npy", b(inputs).detach().numpy())
print(
    f"equiv {equiv.__version__}, {sum(1 for _ in Path(equiv.__file__).parent.rglob('*.py'))} files: {result!r}"
)

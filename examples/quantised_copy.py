r"""A network and its copy in eight bits: how much was lost, and in which layer?"""

import warnings

import torch
from sklearn.datasets import load_digits
from torch import nn

import equiv

pictures = torch.tensor(load_digits().data, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
digits = torch.tensor(load_digits().target)
torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(192, 32),
    nn.ReLU(),
    nn.Linear(32, 10),
)
optimizer = torch.optim.Adam(network.parameters(), 3e-3)
for _ in range(150):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(pictures[:1200]), digits[:1200]).backward()
    optimizer.step()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch moves this function to a package of its own
    copy = torch.ao.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)

for layer in ("4", "6"):
    result = equiv.compare(network, copy, pictures[1200:1350], layers_a=[layer], layers_b=[layer])
    error = result.a_to_b.error
    print(
        f"layer {layer}: {result.verdict}, error {error.estimate:.2%} ({error.low:.2%} to {error.high:.2%})"
    )

print(result.diagnostics["frames"])

r"""Two modules that were trained apart: has the wide one learned what the narrow one has, and where?"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import equiv

pictures = torch.tensor(load_digits().data, dtype=torch.float32) / 16
digits = torch.tensor(load_digits().target)
shuffled = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
train, fresh = shuffled[:1200], shuffled[1200:]  # what networks are compared on, neither was trained on


def trained(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(64, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 10)
    )
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pictures[train]), digits[train]).backward()
        optimizer.step()
    return network


narrow, wide = trained(16, seed=1), trained(64, seed=2)
result = equiv.compare(narrow, wide, pictures[fresh], layers_a=["1"], layers_b=["1"])
print(result.summary(details=True))

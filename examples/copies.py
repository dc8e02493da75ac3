r"""A network and its copies, quantised, pruned, fine-tuned, distilled: how much was lost, and in which layer?"""

import copy
import warnings

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.utils import prune

import equiv

pictures = torch.tensor(load_digits().data, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
digits = torch.tensor(load_digits().target)
train, fresh = slice(0, 1200), slice(1200, 1500)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(192, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def fit(model: nn.Module, target: torch.Tensor, loss: nn.Module, steps: int) -> nn.Module:
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(pictures[train]), target).backward()
        optimizer.step()
    return model


def pruned(model: nn.Module) -> nn.Module:
    for module in model:
        if isinstance(module, nn.Linear):
            prune.l1_unstructured(module, "weight", amount=0.5)
    return model


torch.manual_seed(0)
original = fit(network(), digits[train], nn.CrossEntropyLoss(), 150)
parity = digits[train] % 2  # another task
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch moves this function to a package of its own
    quantised = torch.ao.quantization.quantize_dynamic(original, {nn.Linear}, dtype=torch.qint8)

copies = {
    "quantised": quantised,
    "pruned": pruned(copy.deepcopy(original)),
    "fine-tuned": fit(copy.deepcopy(original), parity, nn.CrossEntropyLoss(), 30),
    "distilled": fit(network(), original(pictures[train]).detach(), nn.MSELoss(), 150),
}
print(f"{'copy':<12}{'layer 4':>24}{'layer 6':>24}")
for name, model in copies.items():
    cells = []
    for layer in ("4", "6"):
        # What of the original can be read off the copy?
        found = equiv.compare(
            model, original, pictures[fresh], layers_a=[layer], layers_b=[layer], frames_a=None, frames_b=None
        )
        cells.append(str(found.a_to_b.error))
    print(f"{name:<12}{cells[0]:>24}{cells[1]:>24}")

r"""An ONNX session against the network that it was exported from: is it the same, and what do eight bits lose?"""

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import quantize_dynamic
from sklearn.datasets import load_digits
from torch import nn

import equiv

pictures = torch.tensor(load_digits().data, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
digits = torch.tensor(load_digits().target)
shuffled = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
train, fresh = shuffled[:1200], shuffled[1200:]  # what is compared, it was not trained on

torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 10)
)
optimizer = torch.optim.Adam(network.parameters(), 3e-3)
for _ in range(150):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(pictures[train]), digits[train]).backward()
    optimizer.step()

any_number = [{0: torch.export.Dim.DYNAMIC}]  # of pictures
names = {"input_names": ["pictures"], "output_names": ["scores"]}
torch.onnx.export(
    network.eval(), (pictures[:2],), "network.onnx", dynamic_shapes=any_number, verbose=False, **names
)
quantize_dynamic("network.onnx", "eight_bits.onnx")


def session(file: str) -> Callable[[torch.Tensor], np.ndarray]:
    r"""A session as `equiv` takes any callable: from a batch of inputs to an array."""
    run = onnxruntime.InferenceSession(file).run

    return lambda batch: run(None, {"pictures": batch.numpy()})[0]


for name, file in (("exported", "network.onnx"), ("eight bits", "eight_bits.onnx")):
    served = session(file)
    result = equiv.compare(served, network, pictures[fresh])
    error = result.a_to_b.error
    moved = np.abs(served(pictures[fresh]) - network(pictures[fresh]).detach().numpy()).max()
    print(
        f"{name:<11}{result.verdict}, error {error.estimate:.2g} ({error.low:.2g} to {error.high:.2g}), "
        f"scores moved by at most {moved:.2g}"
    )

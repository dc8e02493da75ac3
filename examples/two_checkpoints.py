r"""Two checkpoints, by command: weights in two formats, one of them of Lightning, with a prefix before their names."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

RUN = Path(__file__).parent.parent / "run.py"
torch.manual_seed(0)
network = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 4))
later = {name: tensor + 0.01 * torch.randn_like(tensor) for name, tensor in network.state_dict().items()}

# What a training run leaves: here the weights of one network, and of the same one a little later.
save_file(network.state_dict(), "before.safetensors")
torch.save({"state_dict": {f"model.{name}": tensor for name, tensor in later.items()}}, "after.ckpt")
np.save("x.npy", torch.randn(300, 3).numpy())
Path("my_net.py").write_text(
    "from torch import nn\n\n\n"
    "def net():\n"
    "    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 4))\n"
)

command = [sys.executable, str(RUN), "experiment=compare", "inputs=x.npy", "logger=none"]
networks = ["network_a._target_=my_net.net", "network_b._target_=my_net.net"]
weights = ["network_a.weights=before.safetensors", "network_b.weights=after.ckpt"]
subprocess.run([*command, *networks, "layers_a=list"], check=True)
subprocess.run([*command, *networks, *weights, "layers_a=[1]", "layers_b=[1]"], check=True)

# %% [markdown]
# # Layer by layer
#
# Two networks of the same task need not work in the same number of steps. Which layer of the one answers to which
# layer of the other? One comparison of all pairs tells, each in both directions, beside the usual measure of
# similarity, CKA.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from torch import nn

import equiv

# %% [markdown]
# ## A shallow and a deep network
#
# Both learn the same function of five inputs; one in two hidden layers, the other in four narrower ones.


# %%
def task(x):
    return torch.stack([(2 * x[:, 0]).sin() * x[:, 1], x[:, 2] * x[:, 3], x[:, 4].square() - x[:, 0]], dim=1)


def trained(widths, seed, steps=1500):
    torch.manual_seed(seed)
    layers = [module for m, n in pairwise(widths) for module in (nn.Linear(m, n), nn.Tanh())]
    network = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        x = 2 * torch.rand(128, 5) - 1
        loss = nn.functional.mse_loss(network(x), task(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


shallow, deep = trained([5, 48, 24, 3], seed=1), trained([5, 24, 16, 12, 8, 3], seed=2)
inputs = 2 * torch.rand(400, 5) - 1

# %% [markdown]
# ## All pairs

# %%
matrix = equiv.compare_layers(
    shallow, deep, inputs, layers_a=["1", "3", "4"], layers_b=["1", "3", "5", "7", "8"]
)
print(matrix.summary())

# %%
matrix.figure()

# %% [markdown]
# How to read it. Each cell of the first picture is the error with which a layer of A tells a layer of B: blue is
# kept, red is lost, and a frame says that the upper bound is within the tolerance. The second picture is the way
# back. They differ, and that is the point: an early layer tells every later one, for nothing has been thrown away
# yet, and a late layer does not tell an early one. CKA, the third picture, is the same both ways by construction and
# cannot show that.
#
# ## Where does a layer lose what the other one keeps?
#
# Follow one row: how well does each layer of the deep network tell the shallow one's first layer?

# %%
back = 100 * matrix.b_to_a[0]
low, high = 100 * matrix.b_to_a_low[0], 100 * matrix.b_to_a_high[0]
figure, panel = plt.subplots(figsize=(5, 3.2), layout="constrained")
panel.errorbar(
    range(len(back)),
    back,
    [(back - low).clamp(min=0), (high - back).clamp(min=0)],
    fmt="o-",
    color="#d55e00",
    capsize=3,
)
panel.set(
    title="The shallow network's first layer, told by the deep one",
    ylabel="error (% of its spread)",
    xlabel="layer of the deep network",
)
panel.set_xticks(range(len(back)), matrix.layers_b)
panel.set_ylim(bottom=0)
plt.show()

# %% [markdown]
# The information goes step by step, as the layers narrow and the network makes up its mind.
# `matrix.report("layers.html")` is a page on which a click on a cell opens its comparison; for two networks by name
# and weights: `run.py experiment=compare layers=all`. Large transformers: [layers of two GPT-2](../gpt2_layers.md).

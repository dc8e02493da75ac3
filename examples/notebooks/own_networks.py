# %% [markdown]
# # Networks of one's own
#
# Any two `nn.Module`s will do. Here: a convolutional network and a plain one, trained apart on the same handwritten
# digits. Both get nearly all of them right. Do they know the same things about a digit? And if not, does it matter?

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

import equiv

# %% [markdown]
# ## Train two networks

# %%
digits = load_digits()
pictures = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
labels = torch.tensor(digits.target)
torch.manual_seed(0)
order = torch.randperm(len(pictures))
known, fresh = order[:1000], order[1000:1600]


def trained(network, steps=800):
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(steps):
        some = known[torch.randint(len(known), (64,))]
        loss = nn.functional.cross_entropy(network(pictures[some]), labels[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


conv = trained(
    nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.GELU(), nn.AvgPool2d(2), nn.Conv2d(16, 24, 3, padding=1), nn.GELU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(96, 24), nn.GELU(), nn.Linear(24, 10),
    )
)  # fmt: skip
plain = trained(
    nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 24), nn.GELU(), nn.Linear(24, 10))
)
with torch.no_grad():
    for network, name in ((conv, "convolutional"), (plain, "plain")):
        right = (network(pictures[fresh]).argmax(dim=1) == labels[fresh]).float().mean()
        print(f"{name}: more than nine of ten fresh digits right: {bool(right > 0.9)}")

# %% [markdown]
# ## Compare a layer of each
#
# `layers_a` and `layers_b` take names from `network.named_modules()`; "8" and "4" are the last hidden layers, of 24
# neurons each. `readout_a` and `readout_b` are what the rest of each network makes of them: the answer.
#
# Show both the same inputs, which neither was trained on.

# %%
result = equiv.compare(
    conv, plain, pictures[fresh], layers_a=["8"], layers_b=["4"], readout_a=conv[9:], readout_b=plain[5:]
)
print(result.summary())

# %% [markdown]
# Not equivalent: what the one layer holds can be read off the other only roughly, both ways. One number sums over all
# directions of the 24 neurons, though. Which directions are told better, and which worse, even where a yes is far?

# %%
figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
for panel, direction, title, ink in (
    (panels[0], result.a_to_b, "B's directions, told by A", "#0072b2"),
    (panels[1], result.b_to_a, "A's directions, told by B", "#d55e00"),
):
    errors = direction.components.errors
    panel.bar(range(1, len(errors) + 1), [100 * each.estimate for each in errors], color=ink, alpha=0.8)
    panel.axhline(5, color="black", lw=0.8)
    panel.set(title=title, xlabel="direction, best determined first", ylabel="error (% of its spread)")
plt.show()

# %% [markdown]
# ## Does it matter for the task?
#
# Send the activations of the one network through the map and then through the *other* network's last layer. What
# comes out is the other's answer, by the body of the first:

# %%
for direction, name in (
    (result.a_to_b, "plain network's answer, from the other's neurons"),
    (result.b_to_a, "convolutional network's answer, likewise"),
):
    print(f"{name}: the same for {direction.readout_agreement} of fresh digits")

# %% [markdown]
# So most of what is lost between them is nothing that the answer hangs on. To be equivalent is to have lost nothing
# at all, which is more than to agree on a task.
#
# ## Neuron by neuron
#
# For each neuron the error with which the other network tells it, smallest first:

# %%
figure, panel = plt.subplots(figsize=(5, 3), layout="constrained")
for direction, name, ink in (
    (result.a_to_b, "neurons of B, told by A", "#0072b2"),
    (result.b_to_a, "neurons of A, told by B", "#d55e00"),
):
    errors = 100 * direction.by_neuron[direction.by_neuron.isfinite()].sort().values
    panel.plot(range(1, len(errors) + 1), errors, ".-", color=ink, label=name)
panel.set(title="Neuron by neuron", xlabel="neuron, best told first", ylabel="error (% of its spread)")
panel.set_ylim(bottom=0)
panel.legend()
plt.show()

# %% [markdown]
# `result.report("report.html")` shows all of this on a page, `result.transformation` is the map, and
# `result.save("folder")` keeps both for `equiv.load("folder")`. Weights in files, compared by command: [two
# checkpoints](../two_checkpoints.md).

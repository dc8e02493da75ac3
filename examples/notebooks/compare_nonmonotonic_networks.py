# %% [markdown]
# # Compare nonmonotonic networks
#
# Figure 2 of *Transformations between deep neural networks*. Two networks each learn a function of one variable x.
# The functions rise and fall, and they are different functions. Is there still a map that turns what the one network
# computes into what the other computes?
#
# If you look at the outputs alone: no. If you look a little deeper into the networks: yes, and this page finds it
# without ever showing both networks the same x, but for three.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

import equiv
from lightning_modules.data.functions import FunctionViews, Subject
from lightning_modules.data.observed import bent, tilted_well, wave
from lightning_modules.networks import MLP

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#6e6e6e"  # A, B, and the truth

# %% [markdown]
# ## Two functions, two samples
#
# A learns a tilted wave, sin 3x + x/2. B learns a tilted well, x² - 0.4 (x - x³); and B does not even see x, but
# another coordinate of the same line, x + 0.15 sin 2x. A has 1,024 values of x, B 900 others. Three more are shown to
# both, the *anchors*; everything else is shuffled.

# %%
views = FunctionViews(
    Subject(learns=wave), Subject(learns=tilted_well, sees=bent, n_train=900), [-1.0], [1.0]
)
views = views.prepare()
print("A sees", tuple(views.a.train.shape), "and B sees", tuple(views.b.train.shape))

# %% [markdown]
# ## Two networks
#
# Of other widths, with other activation functions, trained apart.


# %%
def train(network, inputs, targets, steps=1500):
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        loss = nn.functional.mse_loss(network(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return loss.item()


torch.manual_seed(0)
network_a = MLP(1, 1, hidden=[32, 32], activation=nn.Tanh)
network_b = MLP(1, 1, hidden=[48, 24], activation=nn.SiLU)
losses = train(network_a, *views.a.samples), train(network_b, *views.b.samples)
print("both losses below 1e-4:", max(losses) < 1e-4)

# %% [markdown]
# ## The outputs alone
#
# To look at them together we need states that both have seen. These 300 are for us, and for nothing that follows
# below.

# %%
x = views.hidden.held_out[:300]
with torch.no_grad():
    output_a, output_b = network_a(x), network_b(bent(x))
order = x[:, 0].argsort()

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
left.plot(x[order], output_a[order], color=BLUE, label="A")
left.plot(x[order], output_b[order], color=ORANGE, label="B")
left.set(xlabel="x", ylabel="output", title="What the two networks learned")
left.legend()
right.scatter(output_a, output_b, c=x[:, 0], s=8, cmap="viridis")
right.set(xlabel="output of A", ylabel="output of B", title="One against the other, coloured by x")
plt.show()

# %% [markdown]
# Draw a vertical line through the right picture: it meets the curve more than once. To one output of A belong two or
# three outputs of B, and no function can choose. `equiv` says so, even though it is given every pair here, which is
# the most generous that one can be:

# %%
alone = equiv.compare(network_a, network_b, x, bent(x), paired=True)
print("outputs alone:", alone.verdict)
print(f"the best map from A's output to B's errs by {alone.a_to_b.error} of B's spread")

# %% [markdown]
# ## How many neurons are enough?
#
# Whitney's theorem: an m-dimensional space of inputs is told apart by 2m + 1 generic measurements, here by three.
# Often fewer do. Each network is asked by itself, without a look at the other: which of your hidden neurons are
# enough to tell all the others? `select_neurons` orders them, and for the error with which all others follow from the
# first few there is `reconstruct`.


# %%
def hidden_neurons(network, side, layer):
    return equiv.probe(network, side.probe, layers=[layer], frames=side.frames["frames"])


hidden_a, hidden_b = (
    hidden_neurons(network_a, views.a, "hidden1"),
    hidden_neurons(network_b, views.b, "hidden1"),
)
best_a, best_b = equiv.select_neurons(hidden_a, 3), equiv.select_neurons(hidden_b, 3)
for count in (1, 2, 3):
    rest = equiv.reconstruct(hidden_a.values[:400, best_a[:count]], hidden_a.values[:400])
    print(f"all of A's first layer from {count} of its neurons: wrong by {rest.error}")

# %% [markdown]
# One neuron of the first layer is enough: an affine function of x behind a monotone tanh never turns back. Beside the
# output it is all that we observe of A; likewise of B, whose SiLU may turn back: of its neurons one is chosen that
# does not.

# %%
layers = ["hidden1", "output"]
chosen_a, chosen_b = ([best[:1], torch.tensor([0])] for best in (best_a, best_b))
seen_a = equiv.probe(network_a, views.a.probe, layers, chosen_a, **views.a.frames)
seen_b = equiv.probe(network_b, views.b.probe, layers, chosen_b, **views.b.frames)

figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for panel, seen, hidden, name in zip(
    panels, (seen_a, seen_b), (views.hidden.probe_a, views.hidden.probe_b), "AB", strict=True
):
    panel.scatter(*seen.values.T, c=hidden[:, 0], s=8, cmap="viridis")
    panel.set(
        xlabel=f"a hidden neuron of {name}",
        ylabel=f"output of {name}",
        title=f"{name}: a curve that does not cross itself",
    )
plt.show()

# %% [markdown]
# ## The map, without pairs
#
# Two curves in two planes, drawn at unrelated values of x. What both have in common is how fast they run: `frames`
# hold the derivative of what we observe by x. Divided by it, both curves are the same interval, up to its direction
# and its beginning, and three anchors settle these.

# %%
result = equiv.compare(seen_a, seen_b, paired=False, anchors=views.anchors)
print(result.summary())

# %% [markdown]
# A verdict is a promise about inputs that nobody has looked at. We have some: the 300 from above.

# %%
with torch.no_grad():
    fresh_a = equiv.probe(network_a, x, layers, chosen_a, frames=None).values
    fresh_b = equiv.probe(network_b, bent(x), layers, chosen_b, frames=None).values
    predicted_b = result.transformation(fresh_a)
    guess = alone.transformation(output_a)
    error = (predicted_b - fresh_b).norm() / (fresh_b - fresh_b.mean(dim=0)).norm()
print("the promise is kept:", bool(error <= result.a_to_b.error.high))

figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
titles = "From A's output alone, pairs given", "From its output and one neuron, no pairs"
for panel, predicted, title in zip(panels, (guess[:, 0], predicted_b[:, 1]), titles, strict=True):
    panel.plot(x[order], output_b[order], color=GREY, lw=4, alpha=0.5, label="true output of B")
    panel.scatter(x[:, 0], predicted, color=ORANGE, s=8, label="predicted from A", zorder=2)
    panel.set(xlabel="x", ylabel="output of B", title=title)
panels[0].legend()
plt.show()

# %% [markdown]
# ## And if there is nothing to find?
#
# A method that always says yes says nothing. Tell B that its line is half as long again as A's (its derivatives are
# by another length), and the two are different spaces. No map of the one onto the other keeps lengths, and that is
# what comes out:

# %%
stretched = equiv.Observations(seen_b.values, seen_b.frames / 1.5)
print(equiv.compare(seen_a, stretched, paired=False, anchors=views.anchors).verdict)

# %% [markdown]
# The same with Lightning, three seeds and a report: `python run.py experiment=scalar_nonmonotone`.

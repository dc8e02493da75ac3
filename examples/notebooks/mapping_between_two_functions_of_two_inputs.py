# %% [markdown]
# # Mapping between two functions of two inputs
#
# Figure 3 of *Transformations between deep neural networks*. Two networks learn the same vector field on a square, in
# different coordinates, from different points, with different architectures. Each one's output deforms the square in
# its own way. We look for the map that takes the one deformed square to the other, and we are not allowed to say
# which point belongs to which.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

import equiv
from equiv.figures.drawing import chart_colours
from lightning_modules.data.functions import FunctionViews, Subject
from lightning_modules.data.observed import bent, in_coordinates, van_der_pol
from lightning_modules.networks import MLP

# %% [markdown]
# ## One field, seen in two coordinate systems
#
# The field is Van der Pol's oscillator, f(x) = (x₂, 0.3 (1 - x₁²) x₂ - x₁). A sees the states x of the square. B sees
# the same states in bent coordinates c(x), and learns what the field is there, Dc(x) f(x). Nobody tells B that these
# are coordinates of anything.


# %%
def bent_a_little(x):
    return bent(x, bend=0.2, pitch=1.0)


def field_in_bent_coordinates(x):
    return in_coordinates(x, van_der_pol, bent_a_little)


views = FunctionViews(
    Subject(learns=van_der_pol, n_train=600),
    Subject(learns=field_in_bent_coordinates, sees=bent_a_little, n_train=500),
    low=[-1.0, -1.0],
    high=[1.0, 1.0],
    n_anchors=4,
).prepare()

# %% [markdown]
# ## Train both, apart


# %%
def train(network, inputs, targets, steps=2000):
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
network_a = MLP(2, 2, hidden=[32, 32], activation=nn.Tanh)
network_b = MLP(2, 2, hidden=[48, 24], activation=nn.SiLU)
losses = train(network_a, *views.a.samples), train(network_b, *views.b.samples)
print("both losses below 1e-4:", max(losses) < 1e-4)

# %% [markdown]
# ## What each of them makes of the square
#
# A grid of states, in the outputs of both. Equal colours are equal states: this is what we would like to find out,
# and what neither network nor the comparison is told.


# %%
def draw_grid(panel, lines, colours, width=1):
    for line, colour in zip(lines, colours, strict=True):
        panel.plot(*line.T, color=colour, lw=width)


ticks = torch.linspace(-1, 1, 15)
along = torch.linspace(-1, 1, 60)
rows = torch.stack([along.expand(15, 60), ticks[:, None].expand(15, 60)], dim=2)
grid = torch.cat([rows, rows.flip(2)])  # 30 lines of 60 states each
shades = chart_colours(grid.mean(dim=1).numpy())

with torch.no_grad():
    grid_a = network_a(grid.reshape(-1, 2)).reshape(grid.shape)
    grid_b = network_b(bent_a_little(grid.reshape(-1, 2))).reshape(grid.shape)

figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for panel, lines, title in zip(
    panels, (grid, grid_a, grid_b), ("The square", "as A puts it", "as B puts it"), strict=True
):
    draw_grid(panel, lines, shades)
    panel.set(title=title, aspect="equal", xlabel="first number", ylabel="second number")
plt.show()

# %% [markdown]
# ## A ruler for each network
#
# How far are two states apart, seen from their outputs? Not as far as the outputs: where a network stretches, a small
# step looks long. But along with the outputs we take the derivative J by the state, and (y - y')ᵀ (C⁺ + C'⁺) (y - y')
# / 2 with C = J Jᵀ is the squared distance of the *states*, for near ones, in either network. Left, the distance of
# outputs of neighbouring states; right, this distance of the same outputs.

# %%
seen_a, seen_b = (
    equiv.probe(network, side.probe, **side.frames)
    for network, side in ((network_a, views.a), (network_b, views.b))
)

figure, panels = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for seen, hidden, name, ink in (
    (seen_a, views.hidden.probe_a, "A", "#0072b2"),
    (seen_b, views.hidden.probe_b, "B", "#d55e00"),
):
    of_states, of_outputs = torch.cdist(hidden, hidden), torch.cdist(seen.values, seen.values)
    measured = equiv.mahalanobis(seen).sqrt()
    near = (of_states < 0.3) & (of_states > 0)
    for panel, distance in zip(panels, (of_outputs, measured), strict=True):
        panel.scatter(of_states[near][::60], distance[near][::60], s=3, color=ink, alpha=0.5, label=name)
titles = "Distance of outputs", "The same with the ruler"
for panel, title in zip(panels, titles, strict=True):
    panel.plot([0, 0.3], [0, 0.3], color="black", lw=0.8)
    panel.set(xlabel="distance of the states", ylabel="distance from the outputs", title=title)
panels[1].legend(markerscale=3)
plt.show()

# %% [markdown]
# ## Two maps of one country
#
# With such a ruler each network alone can draw a map of the square, in which lengths are right: the coordinates below
# were found from outputs and derivatives. The two maps are alike but for a turn, a flip and a shift. Registration
# lays one over the other; four states known to both (`anchors`) say how.

# %%
result = equiv.compare(seen_a, seen_b, paired=False, anchors=views.anchors)
print(result.summary())

figure, panels = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
for panel, seen, hidden, name in (
    (panels[0], seen_a, views.hidden.probe_a, "A"),
    (panels[1], seen_b, views.hidden.probe_b, "B"),
):
    drawn = equiv.IsometricMaps().fit(seen).coordinates_
    panel.scatter(*drawn.T, c=chart_colours(hidden.numpy()), s=9)
    panel.set(title=f"The map that {name} draws by itself", xlabel="u₁", ylabel="u₂", aspect="equal")
plt.show()

# %% [markdown]
# ## The transformation
#
# Carry A's grid over to B, in colour, and lay it on what B really says of these states, in grey; and back.

# %%
with torch.no_grad():
    carried = result.transformation(grid_a.reshape(-1, 2)).reshape(grid.shape)
    returned = result.transformation.inverse(grid_b.reshape(-1, 2)).reshape(grid.shape)

figure, panels = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
for panel, lines, truth, title in (
    (panels[0], carried, grid_b, "A's grid, carried to B"),
    (panels[1], returned, grid_a, "B's grid, carried to A"),
):
    draw_grid(panel, truth, ["#bbbbbb"] * len(truth), width=4)
    draw_grid(panel, lines, shades)
    panel.set(title=title, aspect="equal", xlabel="first output", ylabel="second output")
plt.show()

states = views.hidden.held_out
with torch.no_grad():
    truth, guess = network_b(bent_a_little(states)), result.transformation(network_a(states))
error = (guess - truth).norm() / (truth - truth.mean(dim=0)).norm()
print("true error on a thousand fresh states within the bound:", bool(error <= result.a_to_b.error.high))

# %% [markdown]
# ## When outputs are not enough
#
# At a damping of 2 instead of 0.3 the field folds: in two corners of the square two states get the same output. From
# outputs alone no map of the square can be drawn, and the comparison does not pretend to have one. Inner neurons
# beside the outputs would tell the states apart, as in [Compare nonmonotonic
# networks](compare_nonmonotonic_networks.md).

# %%
states = views.a.probe.detach()
folded = equiv.probe(lambda x: van_der_pol(x, damping=2.0), states, frames=None)
moved = torch.func.vmap(torch.func.jacrev(lambda x: van_der_pol(x[None], damping=2.0)[0]))(states)
print(
    equiv.compare(
        equiv.Observations(folded.values, moved), seen_b, paired=False, anchors=views.anchors
    ).verdict
)

# %% [markdown]
# The same with Lightning, three seeds and a report: `python run.py experiment=vector_field`.
